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
    const { wantTotal, wantByType } = this.#plan;
    for (let i = 0; i < groups.count; i++) {
      if (groups.events[i] === 0) continue;
      const bucket = groups.bucket[i];
      if (wantTotal !== null) {
        this.#addRow(groups, i, this.#answer.placeOf("") + bucket, wantTotal);
      }
      if (wantByType !== null) {
        this.#addRow(groups, i, this.#placeOf(groups.keys, i) + bucket, wantByType);
      }
    }
  }

  #addRow(groups: GroupedRows, i: number, place: number, want: number): void {
    const { split, events, valueCount, valueSum, valueMin, valueMax, hash } = groups;
    const answer = this.#answer;
    if (split === this.#counted) {
      answer.addNumbers(place, events[i], valueCount[i], valueSum[i]);
    }
    if (split === "user") {
      if (want & WANT_USERS) answer.addHash("users", place, hash![2 * i], hash![2 * i + 1]);
    } else if (split === "session") {
      if (want & WANT_SESSIONS) answer.addHash("sessions", place, hash![2 * i], hash![2 * i + 1]);
    } else if (want & WANT_AMOUNTS && valueCount[i] > 0) {
      if (split === "value") {
        answer.addRun(place, valueCount[i], valueSum[i], valueMin[i], valueMax[i]);
      } else {
        answer.addRun(place, 1, valueMin[i], valueMin[i], valueMin[i]);
        answer.addRun(place, 1, valueMax[i], valueMax[i], valueMax[i]);
      }
    }
  }

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
