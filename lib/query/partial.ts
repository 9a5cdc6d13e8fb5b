/**
 * A shard's part of an answer, and the merge that joins parts: shards to a process, processes to a
 * cluster.
 *
 * A partial is a table of buckets by groups as a struct of arrays, so that it crosses threads as a
 * few buffers. The place of (group, bucket) in every array is
 *
 *     group index * buckets + bucket index
 *
 * Sketches travel encoded; a place without one holds null, and a list that nobody asked for is
 * empty. Merging is associative and commutative (up to the rounding of amount sums), and the merge
 * of the shards' partials equals the partial of one shard that had all their events.
 */

import type { Cell } from "../rollup/cell.ts";
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "./metric.ts";
import type { RollupPlan } from "./plan.ts";

/** Encoded sketches by place; null where there is none. */
export type EncodedSketches = readonly (Uint8Array | null)[];

/** One shard's answer to a RollupPlan. Structured clone safe. */
export interface RollupPartial {
  /** Number of buckets, as in the plan. */
  readonly buckets: number;
  /** "" is the group of all types together; any other is an event type. In code unit order. */
  readonly groups: readonly string[];
  readonly events: Float64Array;
  /** How many events had an amount, and the sum of the amounts. */
  readonly amountCount: Float64Array;
  readonly amountSum: Float64Array;
  readonly users: EncodedSketches;
  readonly sessions: EncodedSketches;
  readonly amounts: EncodedSketches;
  /** Everything received before this is counted, ms since the epoch; Infinity = owns nothing. */
  readonly completeUntilMs: number;
  /** There were more groups than the plan allows; then there are none here. */
  readonly tooManyGroups: boolean;
}

/** One group of a shard's answer before it is encoded: a cell per bucket, null = no events. */
export interface PartialGroup {
  readonly name: string;
  /** WANT_* bits of the sketches to send. */
  readonly want: number;
  readonly cells: readonly (Cell | null)[];
}

/** Encodes a shard's answer. Leaves out groups without events. */
export function encodePartial(
  plan: RollupPlan,
  shardGroups: readonly PartialGroup[],
  completeUntilMs: number,
): RollupPartial {
  const buckets = Math.max(0, plan.boundsMs.length - 1);
  const present = shardGroups.filter((group) =>
    group.cells.some((cell) => cell && cell.events > 0)
  );
  const tooManyGroups = present.length > plan.groupsMax;
  const groups = tooManyGroups ? [] : present.toSorted(byName);
  const table = emptyTable(groups.length * buckets);
  const users: (Uint8Array | null)[] = [];
  const sessions: (Uint8Array | null)[] = [];
  const amounts: (Uint8Array | null)[] = [];
  const place = (list: (Uint8Array | null)[], at: number, bytes: Uint8Array | null) => {
    while (list.length < at) list.push(null);
    list.push(bytes);
  };
  groups.forEach(({ want, cells }, group) => {
    for (let bucket = 0; bucket < buckets; bucket++) {
      const cell = cells[bucket];
      if (!cell || cell.events === 0) continue;
      const at = group * buckets + bucket;
      table.events[at] = cell.events;
      table.amountCount[at] = cell.amountCount;
      table.amountSum[at] = cell.amountSum;
      if (want & WANT_USERS) place(users, at, cell.users.encode());
      if (want & WANT_SESSIONS) place(sessions, at, cell.sessions.encode());
      if (want & WANT_AMOUNTS && cell.amounts) place(amounts, at, cell.amounts.encode());
    }
  });
  const names = groups.map((group) => group.name);
  return {
    buckets,
    groups: names,
    ...table,
    users,
    sessions,
    amounts,
    completeUntilMs,
    tooManyGroups,
  };
}

/** Merges partials of one plan into one. An empty list gives the partial of no buckets. */
export function mergePartials(partials: readonly RollupPartial[]): RollupPartial {
  if (partials.length === 1) return partials[0];
  return new MergedRollup(partials).toPartial();
}

/** A distinct count, and whether it is exact. */
export interface DistinctCount {
  readonly count: number;
  readonly exact: boolean;
}

const NO_COUNT: DistinctCount = { count: 0, exact: true };

/**
 * Partials of one plan merged for reading. Sketches are merged when read, each by itself, so what
 * is not read costs nothing and a lone sketch is decoded once.
 */
export class MergedRollup {
  readonly buckets: number;
  readonly groups: readonly string[];
  readonly completeUntilMs: number;
  readonly tooManyGroups: boolean;
  readonly #table: CountTable;
  /** By partial: index in this of each of its groups, and the reverse (-1 = not there). */
  readonly #sources: readonly { partial: RollupPartial; groupIn: Int32Array }[];
  readonly #indexOf: ReadonlyMap<string, number>;

  constructor(partials: readonly RollupPartial[]) {
    this.buckets = partials.reduce((most, partial) => Math.max(most, partial.buckets), 0);
    this.groups = [...new Set(partials.flatMap((partial) => partial.groups))].sort();
    this.#indexOf = new Map(this.groups.map((name, index) => [name, index]));
    this.completeUntilMs = partials.reduce(
      (least, p) => Math.min(least, p.completeUntilMs),
      Infinity,
    );
    this.tooManyGroups = partials.some((partial) => partial.tooManyGroups);
    this.#table = emptyTable(this.groups.length * this.buckets);
    this.#sources = partials.map((partial) => this.#addCounts(partial));
  }

  /** Events of a group in a bucket; 0 for a group that is not there. */
  events(group: string, bucket: number): number {
    return this.#table.events[this.#placeOf(group, bucket)] ?? 0;
  }

  /** Events that had an amount. */
  amountCount(group: string, bucket: number): number {
    return this.#table.amountCount[this.#placeOf(group, bucket)] ?? 0;
  }

  amountSum(group: string, bucket: number): number {
    return this.#table.amountSum[this.#placeOf(group, bucket)] ?? 0;
  }

  users(group: string, bucket: number): DistinctCount {
    return countOf(this.#distinct("users", group, bucket));
  }

  sessions(group: string, bucket: number): DistinctCount {
    return countOf(this.#distinct("sessions", group, bucket));
  }

  /** Quantile q (0 to 1) of the amounts; 0 when there are none. */
  amountQuantile(group: string, bucket: number, q: number): number {
    return this.#amounts(group, bucket)?.quantile(q) ?? 0;
  }

  /** The same as one partial, for the next merge. */
  toPartial(): RollupPartial {
    const { buckets, groups, completeUntilMs, tooManyGroups } = this;
    const encoded = (
      name: "users" | "sessions" | "amounts",
      read: (group: string, bucket: number) => { encode(): Uint8Array } | null,
    ): EncodedSketches => {
      if (this.#sources.every(({ partial }) => partial[name].length === 0)) return [];
      return groups.flatMap((group) =>
        Array.from({ length: buckets }, (_, bucket) => read(group, bucket)?.encode() ?? null)
      );
    };
    const users = encoded("users", (group, bucket) => this.#distinct("users", group, bucket));
    const sessions = encoded(
      "sessions",
      (group, bucket) => this.#distinct("sessions", group, bucket),
    );
    const amounts = encoded("amounts", (group, bucket) => this.#amounts(group, bucket));
    return {
      buckets,
      groups,
      ...this.#table,
      users,
      sessions,
      amounts,
      completeUntilMs,
      tooManyGroups,
    };
  }

  /** Adds a partial's numbers to the table, and notes where this's groups stand in it. */
  #addCounts(partial: RollupPartial): { partial: RollupPartial; groupIn: Int32Array } {
    const groupIn = new Int32Array(this.groups.length).fill(-1);
    partial.groups.forEach((name, index) => {
      const group = this.#indexOf.get(name)!;
      groupIn[group] = index;
      for (let bucket = 0; bucket < partial.buckets; bucket++) {
        const from = index * partial.buckets + bucket;
        const to = group * this.buckets + bucket;
        this.#table.events[to] += partial.events[from];
        this.#table.amountCount[to] += partial.amountCount[from];
        this.#table.amountSum[to] += partial.amountSum[from];
      }
    });
    return { partial, groupIn };
  }

  #placeOf(group: string, bucket: number): number {
    const index = this.#indexOf.get(group);
    return index === undefined ? -1 : index * this.buckets + bucket;
  }

  #distinct(name: "users" | "sessions", group: string, bucket: number): HyperLogLog | null {
    let merged: HyperLogLog | null = null;
    for (const bytes of this.#encoded(name, group, bucket)) {
      if (merged === null) merged = HyperLogLog.decode(bytes);
      else merged.mergeEncoded(bytes);
    }
    return merged;
  }

  #amounts(group: string, bucket: number): DDSketch | null {
    let merged: DDSketch | null = null;
    for (const bytes of this.#encoded("amounts", group, bucket)) {
      if (merged === null) merged = DDSketch.decode(bytes);
      else merged.merge(DDSketch.decode(bytes));
    }
    return merged;
  }

  /** The sketches that the partials have at a place. */
  #encoded(name: "users" | "sessions" | "amounts", group: string, bucket: number): Uint8Array[] {
    const index = this.#indexOf.get(group);
    if (index === undefined) return [];
    const found: Uint8Array[] = [];
    for (const { partial, groupIn } of this.#sources) {
      if (groupIn[index] < 0) continue;
      const bytes = partial[name][groupIn[index] * partial.buckets + bucket];
      if (bytes) found.push(bytes);
    }
    return found;
  }
}

interface CountTable {
  readonly events: Float64Array;
  readonly amountCount: Float64Array;
  readonly amountSum: Float64Array;
}

function emptyTable(places: number): CountTable {
  return {
    events: new Float64Array(places),
    amountCount: new Float64Array(places),
    amountSum: new Float64Array(places),
  };
}

function countOf(sketch: HyperLogLog | null): DistinctCount {
  if (sketch === null) return NO_COUNT;
  return { count: Math.round(sketch.estimate()), exact: sketch.exact };
}

function byName(a: PartialGroup, b: PartialGroup): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
