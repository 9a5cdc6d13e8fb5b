/**
 * Rollup answers by the plainest means: a list of events, counted one by one. `bruteShard` plays a
 * shard that answers plans; `recount` is what an answer must come to.
 */
import fc from "fast-check";
import { PartialBuilder, type RollupPartial } from "../../lib/query/partial.ts";
import { planBuckets, type PlannedBucket, type RollupPlan } from "../../lib/query/plan.ts";
import { LEVEL_WIDTHS_MS } from "../../lib/query/tile_range.ts";
import { Cell } from "../../lib/rollup/cell.ts";
import { hash64 } from "../../lib/sketch/hash64.ts";

/** What rollups know of an event. */
export interface PlainEvent {
  readonly project: string;
  readonly type: string;
  readonly timestampMs: number;
  readonly user: number;
  readonly session: number;
  /** NaN = none. */
  readonly amount: number;
}

/** Plain numbers of a set of events. */
export interface Recount {
  readonly events: number;
  readonly users: number;
  readonly sessions: number;
  readonly amounts: readonly number[];
  readonly amountSum: number;
}

/** Answers a plan from the events, in the way a shard does: by its cells and edges. */
export function bruteShard(
  plan: RollupPlan,
  events: readonly PlainEvent[],
  completeUntilMs: number,
): RollupPartial {
  const buckets = planBuckets(plan);
  const groups = new Map<string, { want: number; cells: (Cell | null)[] }>();
  const count = (name: string, want: number, bucket: number, event: PlainEvent) => {
    let group = groups.get(name);
    if (!group) groups.set(name, group = { want, cells: buckets.map(() => null) });
    const cell = group.cells[bucket] ??= new Cell();
    const [userLo, userHi] = hashWords(event.user);
    const [sessionLo, sessionHi] = hashWords(event.session);
    cell.add(event.timestampMs, userLo, userHi, sessionLo, sessionHi, event.amount);
  };
  for (const event of events) {
    if (event.project !== plan.project) continue;
    if (plan.types !== null && !plan.types.includes(event.type)) continue;
    buckets.forEach((bucket, index) => {
      if (!holds(bucket, event.timestampMs)) return;
      if (plan.wantTotal !== null) count("", plan.wantTotal, index, event);
      if (plan.wantByType !== null) count(event.type, plan.wantByType, index, event);
    });
  }
  const list = [...groups].map(([name, group]) => ({ name, ...group }));
  return partialOfCells(plan, list, completeUntilMs);
}

/** One group of an answer: a cell per bucket, null = no events, and the WANT_* bits to send. */
export interface CellGroup {
  readonly name: string;
  readonly want: number;
  readonly cells: readonly (Cell | null)[];
}

/** A shard's answer made of whole cells. */
export function partialOfCells(
  plan: RollupPlan,
  groups: readonly CellGroup[],
  completeUntilMs: number,
): RollupPartial {
  const answer = new PartialBuilder(plan);
  for (const { name, want, cells } of groups) {
    cells.forEach((cell, bucket) => {
      if (cell !== null) answer.addCell(answer.placeOf(name) + bucket, cell, want);
    });
  }
  return answer.toPartial(completeUntilMs);
}

/** Counts the events of [fromMs, toMs) that `keep` lets through. */
export function recount(
  events: readonly PlainEvent[],
  fromMs: number,
  toMs: number,
  keep: (event: PlainEvent) => boolean = () => true,
): Recount {
  const inside = events.filter((event) =>
    event.timestampMs >= fromMs && event.timestampMs < toMs && keep(event)
  );
  const amounts = inside.map((event) => event.amount).filter((amount) => !Number.isNaN(amount));
  return {
    events: inside.length,
    users: new Set(inside.map((event) => event.user)).size,
    sessions: new Set(inside.map((event) => event.session)).size,
    amounts: amounts.sort((a, b) => a - b),
    amountSum: amounts.reduce((sum, amount) => sum + amount, 0),
  };
}

/**
 * Lists of events in [fromMs, toMs). Amounts are quarters, so that their sums are exact in any
 * order.
 */
export function plainEvents(fromMs: number, toMs: number): fc.Arbitrary<PlainEvent[]> {
  return fc.array(
    fc.record({
      project: fc.constantFrom("shop", "shop", "shop", "other"),
      type: fc.constantFrom("view", "buy", "__proto__", "7"),
      timestampMs: fc.integer({ min: fromMs, max: toMs - 1 }),
      user: fc.nat(20),
      session: fc.nat(30),
      amount: fc.oneof(fc.constant(NaN), fc.nat(400).map((quarters) => quarters / 4)),
    }),
    { maxLength: 60, size: "max" },
  );
}

function holds({ pieces, edges }: PlannedBucket, timestampMs: number): boolean {
  return edges.some(({ fromMs, toMs }) => timestampMs >= fromMs && timestampMs < toMs) ||
    pieces.some(({ level, fromBucket, toBucket }) => {
      const bucket = Math.floor(timestampMs / LEVEL_WIDTHS_MS[level]);
      return bucket >= fromBucket && bucket < toBucket;
    });
}

/** A number's 64-bit hash, low word first. */
export function hashWords(value: number): [number, number] {
  const bytes = new TextEncoder().encode(String(value));
  const words = new Uint32Array(2);
  hash64(bytes, 0, bytes.length, 0, words);
  return [words[0], words[1]];
}
