/**
 * A partition's part of the answer to a RollupPlan that rollups can't give: its committed rows,
 * counted by group in the store (PartitionStore.groupRows) and added up to the same partial. Groups
 * that the plan has no room for end the reading.
 */
import { PartialBuilder, type RollupPartial } from "../query/partial.ts";
import { groupName, isNamedByType, type RollupPlan, type RowGrouping } from "../query/plan.ts";
import { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";
import type { GroupedRows, GroupSplit, GroupTexts, PartitionStore } from "../store/event_store.ts";

/** Pairs of ids as one number: below 2^53, as ids are below 2^26. */
const PAIR_SPAN = 2 ** 26;

/**
 * Answers the plan from the rows of one partition. Rejects with the signal's reason soon after that
 * is aborted, with StoreError when the store fails.
 */
export async function answerGroups(
  plan: RollupPlan & { readonly rows: RowGrouping },
  store: PartitionStore,
  signal: AbortSignal,
): Promise<RollupPartial> {
  const answer = new PartialBuilder(plan);
  const { project, boundsMs, rows: { filter, by, value } } = plan;
  if (boundsMs.length < 2) return answer.toPartial(Infinity);
  const adder = new GroupAdder(plan, answer);
  const grouping = plan.wantByType === null ? [] : by;
  const scan = { project, boundsMs, filter, by: grouping, value, splits: splitsOf(plan) };
  try {
    await store.groupRows(scan, (groups) => {
      adder.add(groups);
      if (answer.isOverfull) throw new Error("more groups than the answer has room for");
    }, signal);
  } catch (error) {
    if (!answer.isOverfull || signal.aborted) throw error;
  }
  return answer.toPartial(Infinity);
}

/** The readings that the sketches are made of. */
function splitsOf({ wantTotal, wantByType, rows }: RollupPlan): GroupSplit[] {
  const want = (wantTotal ?? 0) | (wantByType ?? 0);
  const splits: GroupSplit[] = [];
  if (want & WANT_USERS) splits.push("user");
  if (want & WANT_SESSIONS) splits.push("session");
  if (want & WANT_AMOUNTS && !rows!.extremesOnly) splits.push("value");
  return splits;
}

/** Adds groups to the places of a partial. */
class GroupAdder {
  readonly #plan: RollupPlan;
  readonly #answer: PartialBuilder;
  readonly #isNamedByType: boolean;
  /** The reading whose numbers count; the others have the same rows once more. */
  readonly #counted: GroupSplit | null;
  /** First places by id of the key, or by both ids, of one reading. */
  #places = new Map<number, number>();
  #split: GroupSplit | null | undefined;

  constructor(plan: RollupPlan, answer: PartialBuilder) {
    this.#plan = plan;
    this.#answer = answer;
    this.#isNamedByType = isNamedByType(plan);
    this.#counted = splitsOf(plan)[0] ?? null;
  }

  add(groups: GroupedRows): void {
    if (groups.split !== this.#split) {
      this.#split = groups.split;
      this.#places = new Map();
    }
    if (groups.count === 0) return;
    const { wantTotal, wantByType } = this.#plan;
    if (wantTotal !== null) {
      const first = this.#answer.placeOf("");
      this.#addRows(groups, wantTotal, () => first);
    }
    if (wantByType !== null) {
      this.#addRows(groups, wantByType, (i) => this.#placeOf(groups.keys, i));
    }
  }

  #addRows(groups: GroupedRows, want: number, firstOf: (i: number) => number): void {
    const { count, split, bucket, hash } = groups;
    const isCounted = split === this.#counted;
    const kind = split === "user" ? "users" : "sessions";
    const wantsHash = split === "user" && (want & WANT_USERS) !== 0 ||
      split === "session" && (want & WANT_SESSIONS) !== 0;
    const wantsNumbers = hash === null && (want & WANT_AMOUNTS) !== 0;
    for (let i = 0; i < count; i++) {
      const place = firstOf(i) + bucket[i];
      if (isCounted) {
        this.#answer.addNumbers(
          place,
          groups.events[i],
          groups.valueCount[i],
          groups.valueSum[i],
        );
      }
      if (wantsHash) this.#answer.addHash(kind, place, hash![2 * i], hash![2 * i + 1]);
      else if (wantsNumbers && groups.valueCount[i] > 0) this.#addNumbers(groups, i, place);
    }
  }

  /** The numbers of one bin, or, where only they are wanted, the extremes of all. */
  #addNumbers(
    { split, valueCount, valueSum, valueMin, valueMax }: GroupedRows,
    i: number,
    place: number,
  ): void {
    const [min, max] = [valueMin[i], valueMax[i]];
    if (split === "value") this.#answer.addRun(place, valueCount[i], valueSum[i], min, max);
    else {
      this.#answer.addRun(place, 1, min, min, min);
      this.#answer.addRun(place, 1, max, max, max);
    }
  }

  /** The first place of a row's group. */
  #placeOf(keys: readonly GroupTexts[], i: number): number {
    const id = keys.length === 1 ? keys[0].ids[i] : keys[0].ids[i] * PAIR_SPAN + keys[1].ids[i];
    let place = this.#places.get(id);
    if (place === undefined) {
      const texts = keys.map(({ ids, texts }) => texts[ids[i]]);
      const name = this.#isNamedByType ? texts[0]! : groupName(texts);
      this.#places.set(id, place = this.#answer.placeOf(name));
    }
    return place;
  }
}
