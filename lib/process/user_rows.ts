/**
 * Rows of a partition by user: every user whole, each user's rows in order of time and, where times
 * are equal, in order of the log. What funnels, retention and paths walk over.
 *
 *     scan -> blocks of rows, users numbered -> counted -> scattered by user -> ordered -> pieces
 *
 * The store gives rows in order of the log and the scatter is stable, so sorting is left for users
 * with late events. A store that gives them otherwise is read once more, with `seq`.
 *
 * Memory is bounded: when more than USER_ROWS_MAX rows come, half of the users so far are put off,
 * again and again, by the low bits of their hashes, and are read in further passes. Work is done in
 * slices of ROW_WORK_SLICE_MS, so that the thread's other work goes on.
 */

import { USER_ROWS_MAX, USER_ROWS_OF_ONE_MAX, USER_ROWS_PASSES_MAX } from "../config/limits.ts";
import type { PartitionStore, RowColumn, RowLabel, RowScan } from "../store/event_store.ts";
import type { DenseIds } from "./dense_ids.ts";
import { orderByTime } from "./order_by_time.ts";
import { Places } from "./places.ts";
import { OutOfOrder, RowBlocks, type UserPart } from "./row_blocks.ts";
import { RowLabels } from "./row_labels.ts";
import { scanOrThrow } from "./scan_or_throw.ts";
import { WorkClock } from "./work_clock.ts";

/** Which rows to group; as in a scan of rows. */
export interface UserRowsQuery
  extends Pick<RowScan, "project" | "fromMs" | "toMs" | "filter" | "matches" | "keepsUnmatched"> {
  /** Wanted beside `timestampMs` and `match`. */
  readonly columns: readonly UserRowColumn[];
  /** A text view to number: whose, and the filter of the rows that matter. */
  readonly label?: RowLabel & { readonly numbers: RowLabels };
  /** Only these users, and of them only those of a part; all if missing. */
  readonly only?: DenseIds;
  readonly part?: UserPart;
}

export type UserRowColumn = "series" | "seq" | "session_hash" | "amount";

/**
 * A piece of one pass: users `fromUser` to `toUser`. The arrays are those of the whole pass, and
 * valid until the next piece is asked for.
 */
export interface UserRows {
  readonly fromUser: number;
  /** The first user that is not in this piece. */
  readonly toUser: number;
  /** By user, uint64 pairs, low word first. */
  readonly userHash: Uint32Array;
  /** By user: its rows are those from userStart[user] up to userStart[user + 1]. */
  readonly userStart: Int32Array;
  /** By row: ms since the epoch. */
  readonly timestampMs: Float64Array;
  /** By row: bit i is set where filter i of `matches` matches; all 0 without any. */
  readonly match: Int32Array;
  /** By row; null when not asked for. */
  readonly series: Int32Array | null;
  readonly seq: Float64Array | null;
  /** uint64 pairs. */
  readonly sessionHash: Uint32Array | null;
  readonly amount: Float64Array | null;
  /** By row: number of its text, -1 = none. */
  readonly label: Int32Array | null;
  /** Event types by series id. */
  readonly types: ReadonlyMap<number, string>;
}

/** For tests: other limits than those of limits.ts. */
export interface UserRowsLimits {
  readonly rowsMax?: number;
  readonly rowsOfOneMax?: number;
  /** Rows of a piece, about. */
  readonly pieceRows?: number;
}

/** Rows of a piece, about: a few milliseconds of work. */
const PIECE_ROWS = 32_768;

/** The passes of this thread's questions. */
const passes = new Places(USER_ROWS_PASSES_MAX);

/**
 * All rows of the query, piece by piece; each user is in one piece. Ends as soon as the signal is
 * aborted, with its reason. Throws TooManyRows and StoreError.
 */
export async function* userRows(
  store: PartitionStore,
  query: UserRowsQuery,
  signal: AbortSignal,
  limits: UserRowsLimits = {},
): AsyncGenerator<UserRows, void, void> {
  const rest: UserPart[] = [query.part ?? { index: 0, of: 1 }];
  let keepsSeq = query.columns.includes("seq");
  for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
    const leave = await passes.take(signal);
    try {
      let blocks = await gathered(store, query, part, keepsSeq, signal, limits);
      if (blocks === null) {
        keepsSeq = true;
        blocks = await gathered(store, query, part, keepsSeq, signal, limits);
      }
      rest.push(...blocks!.putOff);
      yield* piecesOf(blocks!, query, signal, limits);
    } finally {
      leave();
    }
  }
}

/** The rows of a part, or of what is left of it; null when `seq` turns out to be needed. */
async function gathered(
  store: PartitionStore,
  query: UserRowsQuery,
  part: UserPart,
  keepsSeq: boolean,
  signal: AbortSignal,
  limits: UserRowsLimits,
): Promise<RowBlocks | null> {
  const { columns, label, only, ...scanned } = query;
  const wants = new Set<RowColumn>(["user_hash", "timestamp"]);
  for (const column of columns) if (column !== "series") wants.add(column);
  if (keepsSeq) wants.add("seq");
  const blocks = new RowBlocks({
    part,
    only: only ?? null,
    rowsMax: limits.rowsMax ?? USER_ROWS_MAX,
    rowsOfOneMax: limits.rowsOfOneMax ?? USER_ROWS_OF_ONE_MAX,
    columns: new Set([...columns, ...keepsSeq ? ["seq" as const] : []]),
    labels: label?.numbers ?? null,
  });
  const scan: RowScan = {
    ...scanned,
    columns: [...wants],
    checksOrder: true,
    values: [],
    label,
    userPart: part.of === 1 ? null : part,
  };
  try {
    await scanOrThrow(store, scan, (rows) => blocks.add(rows), signal);
  } catch (error) {
    if (error instanceof OutOfOrder) return null;
    throw error;
  }
  return blocks;
}

async function* piecesOf(
  blocks: RowBlocks,
  query: UserRowsQuery,
  signal: AbortSignal,
  { pieceRows = PIECE_ROWS }: UserRowsLimits,
): AsyncGenerator<UserRows, void, void> {
  const clock = new WorkClock(signal);
  const userStart = blocks.userStarts();
  const rows = blocks.prepareScatter();
  while (blocks.scatterNext(userStart, rows)) await clock.rest();
  const users = userStart.length - 1;
  const whole = {
    userHash: blocks.userHash(),
    userStart,
    ...rows,
    seq: query.columns.includes("seq") ? rows.seq : null,
    types: blocks.types,
  };
  for (let fromUser = 0; fromUser < users;) {
    let toUser = fromUser;
    do {
      orderByTime(rows, userStart[toUser], userStart[toUser + 1], blocks.inOrder);
      toUser++;
    } while (toUser < users && userStart[toUser] - userStart[fromUser] < pieceRows);
    yield { ...whole, fromUser, toUser };
    await clock.rest();
    fromUser = toUser;
  }
}
