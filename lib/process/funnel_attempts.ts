/**
 * The attempts that count in a funnel, of all users of a partition.
 *
 * Steps that come in order are walked while the rows are scanned, in order of the log, which for
 * most users is that of time: each row goes to its user's walk, and nothing is grouped, sorted or
 * kept of it. Users with a late event are walked anew, each whole, from their rows grouped by user;
 * so are all users where steps may come in any order, or where the store does not keep to the log's.
 *
 * Memory is bounded: when the walks of all users do not fit into FUNNEL_WALKS_BYTES_MAX, the scan
 * begins again with half of them, by the low bits of their hashes, then the other half.
 */

import {
  FUNNEL_PASSES_MAX,
  FUNNEL_VALUES_MAX,
  FUNNEL_WALKS_BYTES_MAX,
  USER_ROWS_PARTS_MAX,
} from "../config/limits.ts";
import { AnyOrderWalk } from "../query/funnel/any_order_walk.ts";
import { InOrderWalks, WalksFull } from "../query/funnel/in_order_walks.ts";
import { funnelMatches, type FunnelPlan } from "../query/funnel/plan_funnel.ts";
import type { PartitionStore, ScannedRows } from "../store/event_store.ts";
import { DenseIds } from "./dense_ids.ts";
import { Places } from "./places.ts";
import { OutOfOrder, type UserPart } from "./row_blocks.ts";
import { RowLabels } from "./row_labels.ts";
import { scanOrThrow } from "./scan_or_throw.ts";
import { TooManyRows } from "./too_many_rows.ts";
import { type UserRows, userRows, type UserRowsLimits, type UserRowsQuery } from "./user_rows.ts";
import { WorkClock } from "./work_clock.ts";

/** What is known of a user's attempt; valid until the next one is given. */
export interface FunnelAttempt {
  /** Words of the user's hash. */
  readonly low: number;
  readonly high: number;
  /** Its last step, counted from 0. */
  readonly level: number;
  /** By step: ms of its event, NaN = the step is not in the attempt. */
  readonly timesMs: Float64Array;
  /** What was asked for of the event of the first step; 0 when nothing was. */
  readonly mark: number;
}

/** What is to be known of the event that an attempt begins with. */
export type FunnelMark = RowLabels | "seq" | null;

/** For tests: other limits than those of limits.ts. */
export interface FunnelLimits extends UserRowsLimits {
  readonly walksBytesMax?: number;
}

interface Reading {
  readonly store: PartitionStore;
  readonly plan: FunnelPlan;
  readonly mark: FunnelMark;
  readonly query: UserRowsQuery;
  readonly onAttempt: (attempt: FunnelAttempt) => void;
  readonly signal: AbortSignal;
  readonly limits: FunnelLimits;
}

/** Rows or users that are looked at in one go: a fraction of a millisecond. */
const ROWS_AT_A_TIME = 2_048;

/** The scans of this thread's funnels. */
const passes = new Places(FUNNEL_PASSES_MAX);

/** Numbers for the values of a plan's breakdown; null = it has none. */
export function breakdownLabels({ breakdown }: FunnelPlan): RowLabels | null {
  return breakdown === null ? null : new RowLabels(FUNNEL_VALUES_MAX);
}

/**
 * Calls `onAttempt` once for each user who has an attempt. Ends as soon as the signal is aborted,
 * with its reason. Throws TooManyRows and StoreError.
 */
export async function eachFunnelAttempt(
  store: PartitionStore,
  plan: FunnelPlan,
  mark: FunnelMark,
  onAttempt: (attempt: FunnelAttempt) => void,
  signal: AbortSignal,
  limits: FunnelLimits = {},
): Promise<void> {
  const query = rowsOf(plan, mark);
  const reading = { store, plan, mark, query, onAttempt, signal, limits };
  if (plan.order === "any") return await walkWhole(reading);
  const rest: UserPart[] = [{ index: 0, of: 1 }];
  for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
    const leave = await passes.take(signal);
    let left: Pick<UserRowsQuery, "part" | "only">;
    try {
      left = { part, only: await walkAsScanned(reading, part) };
    } catch (error) {
      if (error instanceof WalksFull) {
        const { index, of } = part;
        if (2 * of > USER_ROWS_PARTS_MAX) throw new TooManyRows("rows");
        rest.push({ index: index + of, of: 2 * of }, { index, of: 2 * of });
        continue;
      }
      if (!(error instanceof OutOfOrder)) throw error;
      left = { part };
    } finally {
      leave();
    }
    if (left.only?.count !== 0) await walkWhole({ ...reading, query: { ...query, ...left } });
  }
}

/** The rows that a funnel walks over. */
function rowsOf(plan: FunnelPlan, mark: FunnelMark): UserRowsQuery {
  const { project, fromMs, toMs, filter, breakdown, steps } = plan;
  return {
    project,
    fromMs,
    toMs,
    filter,
    matches: funnelMatches(plan),
    // Any event of the user stands between two strict steps.
    keepsUnmatched: plan.order === "strict",
    columns: mark === "seq" ? ["seq"] : [],
    label: mark instanceof RowLabels && breakdown !== null
      ? { subject: breakdown, of: steps[0].filter, numbers: mark }
      : undefined,
  };
}

/** Walks the users of a part while their rows are scanned; gives those whose rows came late. */
async function walkAsScanned(reading: Reading, part: UserPart): Promise<DenseIds> {
  const { store, plan, mark, query, signal, limits } = reading;
  const walks = new InOrderWalks(plan, limits.walksBytesMax ?? FUNNEL_WALKS_BYTES_MAX);
  const users = new DenseIds();
  const labelsOf = mark instanceof RowLabels ? mark.ofScan() : () => null;
  const numbers = new Int32Array(ROWS_AT_A_TIME);
  const onRows = (rows: ScannedRows) => {
    if (!rows.inOrder) throw new OutOfOrder();
    const { count, userHash, timestampMs, match } = rows;
    const marks = mark === "seq" ? rows.seq : labelsOf(rows);
    const walked = { timestampMs: timestampMs!, match: match!, marks };
    for (let from = 0; from < count; from += ROWS_AT_A_TIME) {
      const end = Math.min(count, from + ROWS_AT_A_TIME);
      users.idsOf(userHash!, from, end, numbers, 0);
      walks.walk(walked, from, end, numbers);
    }
  };
  const columns = ["user_hash", "timestamp", ...mark === "seq" ? ["seq" as const] : []] as const;
  const userPart = part.of === 1 ? null : part;
  const scan = { ...query, columns, checksOrder: true, values: [], userPart };
  await scanOrThrow(store, scan, onRows, signal);
  return await giveAttempts(reading, walks, users);
}

/** Gives the attempts of all users but those who are late, and gives these. */
async function giveAttempts(
  { plan, onAttempt, signal }: Reading,
  walks: InOrderWalks,
  users: DenseIds,
): Promise<DenseIds> {
  const clock = new WorkClock(signal);
  const late = new DenseIds();
  const timesMs = new Float64Array(plan.steps.length);
  for (let user = 0; user < walks.count; user++) {
    if (user % ROWS_AT_A_TIME === 0) await clock.rest();
    const low = users.lowOf(user);
    const high = users.highOf(user);
    const level = walks.level(user);
    if (walks.isLate(user)) late.idOf(low, high);
    else if (level >= 0) {
      walks.readTimes(user, timesMs);
      onAttempt({ low, high, level, timesMs, mark: walks.mark(user) });
    }
  }
  return late;
}

/** Walks the users of the query one after the other, each whole. */
async function walkWhole({ store, plan, query, ...reading }: Reading): Promise<void> {
  const { mark, onAttempt, signal, limits } = reading;
  const timesMs = new Float64Array(plan.steps.length);
  const walk = plan.order === "any" ? anyOrder(plan, timesMs) : inOrder(plan, timesMs);
  for await (const piece of userRows(store, query, signal, limits)) {
    const { userHash, userStart } = piece;
    const marks = mark === "seq" ? piece.seq : piece.label;
    for (let user = piece.fromUser; user < piece.toUser; user++) {
      const walked = walk(piece, marks, userStart[user], userStart[user + 1]);
      if (walked.level < 0) continue;
      onAttempt({ low: userHash[2 * user], high: userHash[2 * user + 1], timesMs, ...walked });
    }
  }
}

/** Walks one user's rows [from, to); times go into the array that it was made with. */
type WholeWalk = (
  rows: UserRows,
  marks: Int32Array | Float64Array | null,
  from: number,
  to: number,
) => Pick<FunnelAttempt, "level" | "mark">;

function inOrder(plan: FunnelPlan, timesMs: Float64Array): WholeWalk {
  const walks = new InOrderWalks(plan);
  return ({ timestampMs, match }, marks, from, to) => {
    walks.clear();
    walks.walk({ timestampMs, match, marks }, from, to, null);
    walks.readTimes(0, timesMs);
    return { level: walks.level(0), mark: walks.mark(0) };
  };
}

function anyOrder(plan: FunnelPlan, timesMs: Float64Array): WholeWalk {
  const walk = new AnyOrderWalk(plan);
  return ({ timestampMs, match }, marks, from, to) => {
    const level = walk.walk(timestampMs, match, from, to);
    const { rows } = walk;
    for (let step = 0; step < rows.length; step++) {
      timesMs[step] = rows[step] < 0 ? NaN : timestampMs[rows[step]];
    }
    return { level, mark: marks === null || level < 0 ? 0 : marks[rows[0]] };
  };
}
