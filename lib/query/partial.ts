/**
 * A shard's part of an answer, and the merge that joins parts: shards to a process, processes to a
 * cluster.
 *
 * A partial is a table of buckets by groups as a struct of arrays, so that it crosses threads as a
 * few buffers. The place of (group, bucket) in every array is
 *
 *     group index * buckets + bucket index
 *
 * Sketches travel encoded, one after the other in one buffer. Merging is associative and commutative
 * (up to the rounding of amount sums), and the merge of the shards' partials equals the partial of
 * one shard that had all their events.
 */

import { GROUP_SKETCH_BYTES_MAX } from "../config/limits.ts";
import type { Cell } from "../rollup/cell.ts";
import { DDSketch } from "../sketch/ddsketch.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { COLUMNS, type CountTable, emptyTable, giveTable, takeTable } from "./count_table.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "./metric.ts";
import { OWN_MEMORY, type PartialMemory } from "./partial_memory.ts";
import type { RollupPlan } from "./plan.ts";

/** Encoded sketches by place. */
export interface EncodedSketches {
  /**
   * Where the sketch of each place ends in `bytes`; it begins where the one before it ends, and one
   * without bytes is none. Places after the last one have none.
   */
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
}

/** One shard's answer to a RollupPlan. Structured clone safe. */
export interface RollupPartial extends CountTable {
  /** Number of buckets, as in the plan. */
  readonly buckets: number;
  /** "" is the group of all types together; any other is an event type. In code unit order. */
  readonly groups: readonly string[];
  readonly users: EncodedSketches;
  readonly sessions: EncodedSketches;
  readonly amounts: EncodedSketches;
  /** Everything received before this is counted, ms since the epoch; Infinity = owns nothing. */
  readonly completeUntilMs: number;
  /** There were more groups than the plan allows; then there are none here. */
  readonly tooManyGroups: boolean;
}

/** A shard's answer while it is counted. Place of (group, bucket): the group's first place + bucket. */
export class PartialBuilder {
  readonly buckets: number;
  readonly #groupsMax: number;
  readonly #firstPlaces = new Map<string, number>();
  #table: CountTable;
  /** Places of the table that are, or will be, of some group. */
  #places: number;
  readonly #users = new Map<number, HyperLogLog>();
  readonly #sessions = new Map<number, HyperLogLog>();
  readonly #amounts = new Map<number, DDSketch>();
  /** Of the sketches that are added to one by one. */
  #sketchBytes = 0;

  constructor({ boundsMs, groupsMax }: RollupPlan) {
    this.buckets = Math.max(0, boundsMs.length - 1);
    this.#groupsMax = groupsMax;
    this.#places = Math.min(this.buckets * Math.min(groupsMax, GROUPS_AT_FIRST), PLACES_AT_FIRST);
    this.#table = takeTable(this.#places);
  }

  /** There are more groups than the plan, or memory, allows: the answer will have none of them. */
  get isOverfull(): boolean {
    return this.#firstPlaces.size > this.#groupsMax ||
      this.#sketchBytes > GROUP_SKETCH_BYTES_MAX;
  }

  /** The first place of a group, which is there from now on; to be asked for once it has events. */
  placeOf(group: string): number {
    let first = this.#firstPlaces.get(group);
    if (first === undefined) {
      first = this.#firstPlaces.size * this.buckets;
      this.#firstPlaces.set(group, first);
      if (first + this.buckets > this.#places) this.#grow(first);
    }
    return first;
  }

  /** Makes room for more groups; places before `used` are in use. */
  #grow(used: number): void {
    this.#places = Math.max(2 * this.#places, used + this.buckets);
    const table = takeTable(this.#places);
    for (const column of COLUMNS) table[column].set(this.#table[column].subarray(0, used));
    giveTable(this.#table);
    this.#table = table;
  }

  /** Adds the numbers of a group's buckets: those of `table` from its place `from` on. */
  addCounts(first: number, table: CountTable, from: number): void {
    for (const column of COLUMNS) {
      const into = this.#table[column];
      const source = table[column];
      for (let i = 0; i < this.buckets; i++) into[first + i] += source[from + i];
    }
  }

  /** Adds a cell, which stays as it is, with the sketches that are wanted. */
  addCell(place: number, cell: Cell, want: number): void {
    this.#table.events[place] += cell.events;
    this.#table.amountCount[place] += cell.amountCount;
    this.#table.amountSum[place] += cell.amountSum;
    if (want & WANT_USERS) this.addUsers(place, [cell.users]);
    if (want & WANT_SESSIONS) this.addSessions(place, [cell.sessions]);
    if (want & WANT_AMOUNTS && cell.amounts) this.addAmounts(place, [cell.amounts]);
  }

  /** Adds numbers of some events. */
  addNumbers(place: number, events: number, amountCount: number, amountSum: number): void {
    this.#table.events[place] += events;
    this.#table.amountCount[place] += amountCount;
    this.#table.amountSum[place] += amountSum;
  }

  /** Adds the hash of a user or a session; memory for them counts. */
  addHash(kind: "users" | "sessions", place: number, lo: number, hi: number): void {
    const sketches = kind === "users" ? this.#users : this.#sessions;
    let sketch = sketches.get(place);
    if (sketch === undefined) {
      sketches.set(place, sketch = new HyperLogLog());
      this.#sketchBytes += sketch.byteSize;
    }
    if (!sketch.exact) return sketch.add(lo, hi);
    const before = sketch.byteSize;
    sketch.add(lo, hi);
    this.#sketchBytes += sketch.byteSize - before;
  }

  /** Adds amounts that lie in one bin of DDSketch (see addRun() there); memory for them counts. */
  addRun(place: number, count: number, sum: number, min: number, max: number): void {
    let sketch = this.#amounts.get(place);
    if (sketch === undefined) {
      this.#amounts.set(place, sketch = new DDSketch());
      this.#sketchBytes += sketch.byteSize;
    }
    const before = sketch.byteSize;
    sketch.addRun(count, sum, min, max);
    this.#sketchBytes += sketch.byteSize - before;
  }

  addUsers(place: number, parts: readonly HyperLogLog[]): void {
    addDistinct(this.#users, place, parts);
  }

  addSessions(place: number, parts: readonly HyperLogLog[]): void {
    addDistinct(this.#sessions, place, parts);
  }

  addAmounts(place: number, parts: readonly DDSketch[]): void {
    for (const part of parts) {
      const own = this.#amounts.get(place);
      if (own === undefined) this.#amounts.set(place, part.clone());
      else own.merge(part);
    }
  }

  /** The answer, encoded into `memory`, for once: the builder is empty then. */
  toPartial(completeUntilMs: number, memory: PartialMemory = OWN_MEMORY): RollupPartial {
    const { buckets } = this;
    const tooManyGroups = this.isOverfull;
    const groups = tooManyGroups ? [] : [...this.#firstPlaces.keys()].sort();
    const firsts = groups.map((name) => this.#firstPlaces.get(name)!);
    const table = tableIn(memory, groups.length * buckets);
    for (const column of COLUMNS) {
      const from = this.#table[column];
      const into = table[column];
      firsts.forEach((first, group) => {
        for (let i = 0; i < buckets; i++) into[group * buckets + i] = from[first + i];
      });
    }
    const partial = {
      buckets,
      groups,
      ...table,
      users: packGroups(this.#users, firsts, buckets, memory),
      sessions: packGroups(this.#sessions, firsts, buckets, memory),
      amounts: packGroups(this.#amounts, firsts, buckets, memory),
      completeUntilMs,
      tooManyGroups,
    };
    for (const sketches of [this.#users, this.#sessions]) {
      for (const sketch of sketches.values()) sketch.release();
      sketches.clear();
    }
    this.#amounts.clear();
    this.#firstPlaces.clear();
    giveTable(this.#table);
    this.#table = NO_TABLE;
    this.#places = 0;
    return partial;
  }
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
    this.groups = groupsOf(partials);
    this.#indexOf = new Map(this.groups.map((name, index) => [name, index]));
    this.completeUntilMs = partials.reduce(
      (least, p) => Math.min(least, p.completeUntilMs),
      Infinity,
    );
    this.tooManyGroups = partials.some((partial) => partial.tooManyGroups);
    this.#table = emptyTable(this.groups.length * this.buckets);
    this.#sources = partials.map((partial) => this.#addCounts(partial));
  }

  /** Numbers of a group by bucket, to be read only; null for a group that is not there. */
  column(group: string, name: keyof CountTable): Float64Array | null {
    const index = this.#indexOf.get(group);
    if (index === undefined) return null;
    return this.#table[name].subarray(index * this.buckets, (index + 1) * this.buckets);
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

  /** The amounts of a group in a bucket; null when there are none, or they were not wanted. */
  amounts(group: string, bucket: number): DDSketch | null {
    return this.#amounts(group, bucket) ?? null;
  }

  /** How many different users or sessions several groups have in buckets [from, to) together. */
  distinctOver(
    kind: "users" | "sessions",
    groups: readonly string[],
    from: number,
    to: number,
  ): DistinctCount {
    const parts: Uint8Array[] = [];
    this.#eachOver(kind, groups, from, to, (bytes) => parts.push(bytes));
    return countOf(unionOf(parts));
  }

  /** The amounts of several groups in buckets [from, to) together; null when there are none. */
  amountsOver(groups: readonly string[], from: number, to: number): DDSketch | null {
    let merged: DDSketch | null = null;
    this.#eachOver("amounts", groups, from, to, (bytes) => {
      if (merged === null) merged = DDSketch.decode(bytes);
      else merged.mergeEncoded(bytes);
    });
    return merged;
  }

  /** The same as one partial, for the next merge. */
  toPartial(): RollupPartial {
    const { buckets, groups, completeUntilMs, tooManyGroups } = this;
    const pack = (
      kind: SketchKind,
      read: (group: string, bucket: number) => HyperLogLog | DDSketch | undefined,
    ): EncodedSketches => {
      if (this.#sources.every(({ partial }) => partial[kind].ends.length === 0)) return NO_SKETCHES;
      return packSketches(
        groups.length * buckets,
        (place) => read(groups[Math.floor(place / buckets)], place % buckets),
        OWN_MEMORY,
      );
    };
    const users = pack("users", (group, bucket) => this.#distinct("users", group, bucket));
    const sessions = pack("sessions", (group, bucket) => this.#distinct("sessions", group, bucket));
    const amounts = pack("amounts", (group, bucket) => this.#amounts(group, bucket));
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

  #distinct(
    kind: "users" | "sessions",
    group: string,
    bucket: number,
  ): HyperLogLog | undefined {
    const parts: Uint8Array[] = [];
    this.#eachEncoded(kind, group, bucket, (bytes) => parts.push(bytes));
    return unionOf(parts);
  }

  #amounts(group: string, bucket: number): DDSketch | undefined {
    let merged: DDSketch | undefined;
    this.#eachEncoded("amounts", group, bucket, (bytes) => {
      if (merged === undefined) merged = DDSketch.decode(bytes);
      else merged.mergeEncoded(bytes);
    });
    return merged;
  }

  #eachOver(
    kind: SketchKind,
    groups: readonly string[],
    from: number,
    to: number,
    take: (bytes: Uint8Array) => void,
  ): void {
    for (const group of groups) {
      for (let bucket = from; bucket < to; bucket++) this.#eachEncoded(kind, group, bucket, take);
    }
  }

  /** The sketches that the partials have at a place. */
  #eachEncoded(
    kind: SketchKind,
    group: string,
    bucket: number,
    take: (bytes: Uint8Array) => void,
  ): void {
    const index = this.#indexOf.get(group);
    if (index === undefined) return;
    for (const { partial, groupIn } of this.#sources) {
      if (groupIn[index] < 0) continue;
      const { ends, bytes } = partial[kind];
      const place = groupIn[index] * partial.buckets + bucket;
      if (place >= ends.length) continue;
      const start = place === 0 ? 0 : ends[place - 1];
      if (start < ends[place]) take(bytes.subarray(start, ends[place]));
    }
  }
}

type SketchKind = "users" | "sessions" | "amounts";

/** Groups that an answer has room for from the beginning. */
const GROUPS_AT_FIRST = 32;
const PLACES_AT_FIRST = 1024;
const NO_TABLE = emptyTable(0);
const NO_SKETCHES: EncodedSketches = { ends: new Uint32Array(0), bytes: new Uint8Array(0) };

/** The same in one piece of `memory`, column after column. */
function tableIn(memory: PartialMemory, places: number): CountTable {
  const { buffer, byteOffset } = memory.bytes(COLUMNS.length * 8 * places);
  const column = (index: number) =>
    new Float64Array(buffer, byteOffset + index * 8 * places, places);
  return { events: column(0), amountCount: column(1), amountSum: column(2) };
}

function addDistinct(
  sketches: Map<number, HyperLogLog>,
  place: number,
  parts: readonly HyperLogLog[],
): void {
  const own = sketches.get(place);
  if (own === undefined) sketches.set(place, HyperLogLog.union(parts));
  else own.mergeAll(parts);
}

/** Encodes a builder's sketches of the groups with these first places, in their order. */
function packGroups(
  sketches: ReadonlyMap<number, HyperLogLog | DDSketch>,
  firsts: readonly number[],
  buckets: number,
  memory: PartialMemory,
): EncodedSketches {
  if (sketches.size === 0) return NO_SKETCHES;
  return packSketches(
    firsts.length * buckets,
    (place) => sketches.get(firsts[Math.floor(place / buckets)] + place % buckets),
    memory,
  );
}

/** Encodes the sketches of the places into one buffer. */
function packSketches(
  places: number,
  read: (place: number) => HyperLogLog | DDSketch | undefined,
  memory: PartialMemory,
): EncodedSketches {
  const ends = new Uint32Array(places);
  const found: { place: number; start: number; sketch: HyperLogLog | Uint8Array }[] = [];
  let total = 0;
  for (let place = 0; place < places; place++) {
    const sketch = read(place);
    if (sketch !== undefined) {
      const encoded = sketch instanceof HyperLogLog ? sketch : sketch.encode();
      found.push({ place, start: total, sketch: encoded });
      total += encoded instanceof HyperLogLog ? encoded.encodedLength : encoded.length;
    }
    ends[place] = total;
  }
  const last = found.at(-1);
  if (last === undefined) return NO_SKETCHES;
  const bytes = memory.bytes(total);
  for (const { start, sketch } of found) {
    if (sketch instanceof HyperLogLog) sketch.encodeInto(bytes, start);
    else bytes.set(sketch, start);
  }
  return { ends: ends.slice(0, last.place + 1), bytes };
}

/** The groups of all, in code unit order; mostly all have the same. */
function groupsOf(partials: readonly RollupPartial[]): readonly string[] {
  const [{ groups }, ...others] = partials.length > 0 ? partials : [{ groups: [] }];
  const areSame = others.every((other) =>
    other.groups.length === groups.length && other.groups.every((name, i) => name === groups[i])
  );
  return areSame ? groups : [...new Set(partials.flatMap((partial) => partial.groups))].sort();
}

function unionOf(encoded: readonly Uint8Array[]): HyperLogLog | undefined {
  return encoded.length === 0 ? undefined : HyperLogLog.unionEncoded(encoded);
}

/** What the sketch counts; it is released. */
function countOf(sketch: HyperLogLog | undefined): DistinctCount {
  if (sketch === undefined) return NO_COUNT;
  const distinct = { count: Math.round(sketch.estimate()), exact: sketch.exact };
  sketch.release();
  return distinct;
}
