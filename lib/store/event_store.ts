/**
 * The EventStore port: rows, rollup cells and the next offset of one partition, changed together.
 *
 * A PartitionStore has one owner at a time (the shard that owns the partition). `commit` is the
 * only way anything becomes permanent: rows, the rollup delta, new series, flushed cells and the
 * next offset go in ONE transaction, or none of them does. Dedup and session state are functions of
 * the rows, so a restart reads them back from the rows (`recentIds`, `recentSessions`).
 *
 * A store may be made to keep no rows (`keepsRows` false). Of each event it then keeps only what
 * those two calls give back, for as long as that matters; all that reads rows is refused with
 * RTA_STORE_NO_ROWS, whatever the question.
 *
 * Contract: tests/contract/event_store_contract.ts, over every adapter.
 */

import type { Filter, Subject } from "../query/filter/filter.ts";
import type { FoundUser, UserSearch } from "../query/user/user_search.ts";
import type { SessionPartChunk } from "../query/user/session_part.ts";
import type { SeqRange } from "../query/user/session_table.ts";
import type { CopiedRows, CopyWindow, LineWindow, RowLines } from "./row_window.ts";

/**
 * Rows as a struct of arrays. 64-bit values are pairs of 32-bit words, low word first, so that the
 * hot path never makes a BigInt; [2 * i] is the low word of row i and [2 * i + 1] the high word.
 * Strings are byte ranges of `sources[sourceOf[i]]` (UTF-8, already unescaped); start -1 is null.
 */
export interface RowBatch {
  count: number;
  /** Sequence number of row 0; rows of a partition are numbered densely in log order. */
  firstSeq: number;
  /** Interned (project, type): see Series. */
  series: Int32Array;
  /** EventType number of analytics.v1, 1 to 4. */
  category: Uint8Array;
  /** Event time, ms since the epoch, int64 pairs. */
  timestampMs: Uint32Array;
  /** Time of ingest, ms since the epoch, int64 pairs. */
  receivedAtMs: Uint32Array;
  /** hash64 of project and event id, uint64 pairs. */
  idHash: Uint32Array;
  /** hash64 of project and user id. */
  userHash: Uint32Array;
  /** hash64 of project and the session, given or derived. */
  sessionHash: Uint32Array;
  /** NaN = the event has no amount. */
  amount: Float64Array;
  /** The buffers that the byte ranges below point into. */
  sources: Uint8Array[];
  sourceOf: Int32Array;
  idStart: Int32Array;
  idEnd: Int32Array;
  userStart: Int32Array;
  userEnd: Int32Array;
  /** -1: the client gave no session id. */
  sessionStart: Int32Array;
  sessionEnd: Int32Array;
  /** The event's `source` field; -1: none. */
  sourceStart: Int32Array;
  sourceEnd: Int32Array;
  /** The properties object as JSON text; -1: none. */
  propertiesStart: Int32Array;
  propertiesEnd: Int32Array;
}

/** One interned (project, type). `type` null is the series of all types of the project. */
export interface Series {
  readonly id: number;
  readonly project: string;
  readonly type: string | null;
}

/** Rollup levels: the width of a cell's bucket. */
export const LEVEL_MINUTE = 0;
export const LEVEL_HOUR = 1;
export const LEVEL_DAY = 2;
export type Level = 0 | 1 | 2;

/** One rollup cell as stored. `bucket` counts buckets of that level since the epoch (UTC). */
export interface StoredCell {
  readonly level: Level;
  readonly bucket: number;
  readonly series: number;
  readonly events: number;
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly amountCount: number;
  readonly amountSum: number;
  /** Encoded sketches; null when not asked for or empty. */
  readonly users: Uint8Array | null;
  readonly sessions: Uint8Array | null;
  readonly amounts: Uint8Array | null;
}

/** All that one transaction makes permanent. */
export interface PartitionCommit {
  readonly rows: RowBatch;
  /** Where the log is to be read on from. */
  readonly nextOffset: number;
  /** Sequence number that the next row will get. */
  readonly nextSeq: number;
  /** received_at of the last record applied, ms. */
  readonly lastReceivedAtMs: number;
  /** Ids and sessions of what was received before this are never asked for again, ms. */
  readonly recentSinceMs: number;
  /** Series interned since the last commit. */
  readonly newSeries: readonly Series[];
  /** Encoded rollup change of exactly these rows; null when there were none. */
  readonly delta: Uint8Array | null;
}

/**
 * A cell that takes the place of what is stored under its key. Its sketches may be encoded when they
 * are read, each once, and nobody changes them before the commit has ended.
 */
export interface FlushedCell extends StoredCell {
  /** Nothing is stored under its key, so there is nothing to take away. */
  readonly isNew?: boolean;
}

/** Cells that replace what is stored under their keys, and make the deltas so far redundant. */
export interface CellFlush {
  readonly cells: readonly FlushedCell[];
}

/** What a shard needs to go on where the last commit left off. */
export interface LoadedPartition {
  readonly nextOffset: number;
  readonly nextSeq: number;
  readonly lastReceivedAtMs: number;
  readonly series: readonly Series[];
  /** Deltas committed since the last cell flush, oldest first. */
  readonly deltas: readonly Uint8Array[];
}

export { WANT_AMOUNTS, WANT_SESSIONS, WANT_USERS } from "../rollup/want.ts";

/** Cells of one level, buckets [fromBucket, toBucket), of the named series (null = all). */
export interface CellQuery {
  readonly level: Level;
  readonly fromBucket: number;
  readonly toBucket: number;
  readonly series: readonly number[] | null;
  /** WANT_* bits. */
  readonly want: number;
}

/** Numeric columns of rows in a time range: for the parts of a range that no whole minute covers. */
export interface RangeRows {
  readonly count: number;
  readonly series: Int32Array;
  /** uint64 pairs, low word first. */
  readonly userHash: Uint32Array;
  readonly sessionHash: Uint32Array;
  /** ms since the epoch. */
  readonly timestampMs: Float64Array;
  /** NaN = none. */
  readonly amount: Float64Array;
}

/** One event as the store gives it back. */
export interface StoredEvent {
  readonly seq: number;
  readonly id: string;
  readonly userId: string;
  readonly type: string;
  readonly category: number;
  readonly timestampMs: number;
  readonly receivedAtMs: number;
  /** Given by the client, or the derived one as 16 hex digits of its hash. */
  readonly sessionId: string;
  /** hash64 of project and session, where the store tells it. */
  readonly sessionHash?: readonly [low: number, high: number];
  readonly source: string | null;
  /** JSON text of the properties object. */
  readonly properties: string;
  readonly amount: number | null;
}

/** Events of one user, newest first, time range half open [fromMs, toMs). */
export interface UserEventsQuery {
  readonly project: string;
  readonly userId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
  /** Page on: only rows before this (timestampMs, seq) place, newest first. */
  readonly before: { readonly timestampMs: number; readonly seq: number } | null;
  /** hash64 of project and user id, [low, high]: finds the rows faster where it is known. */
  readonly userHash?: readonly [low: number, high: number];
  /** Only events that match; null or missing = all. */
  readonly filter?: Filter | null;
  /** Only rows before this sequence number; missing = all that are committed. */
  readonly toSeq?: number;
  /** All rows that match are in these ranges, and are so few that they can all be read. */
  readonly near?: readonly SeqRange[];
  /**
   * By hash: ids of sessions as their clients gave them, null = derived, of all sessions of the page.
   * Missing = not known, they are read with the events.
   */
  readonly sessionIdOf?: (hash: readonly [low: number, high: number]) => string | null | undefined;
}

/** Where an event stands, newest first: by time, then partition, then place in it, highest first. */
export interface EventPlace {
  readonly timestampMs: number;
  readonly partition: number;
  readonly seq: number;
}

/** Rows of one user of a project: those with fromSeq <= seq < toSeq, and fromMs <= timestamp < toMs. */
export interface SessionPartsQuery {
  readonly project: string;
  /** hash64 of project and user id. */
  readonly userHash: readonly [low: number, high: number];
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Sessions of one user of a project, each by the least place of its rows. */
export interface SessionIdsQuery {
  readonly project: string;
  /** hash64 of project and user id. */
  readonly userHash: readonly [low: number, high: number];
  readonly seqs: readonly number[];
}

/** Columns of rows that a scan can give. */
export type RowColumn = "seq" | "user_hash" | "session_hash" | "timestamp" | "amount";

/** Which rows to read, and what of them. */
export interface RowScan {
  readonly project: string;
  /** [fromMs, toMs) by event time. */
  readonly fromMs: number;
  readonly toMs: number;
  /** null = all. */
  readonly filter: Filter | null;
  readonly columns: readonly RowColumn[];
  /** Filters to tell each row by, at most SCAN_MATCHES_MAX: bit i of `match` is for filter i. */
  readonly matches: readonly Filter[];
  /** Rows that none of `matches` matches are given as well. */
  readonly keepsUnmatched: boolean;
  /** Whose text views to give (lib/query/filter/filter.ts); slow where there are many rows. */
  readonly values: readonly Subject[];
  /** One more text view, as numbers. */
  readonly label?: RowLabel;
  /** Whether `inOrder` is wanted. */
  readonly checksOrder?: boolean;
  /** Only users whose hash leaves the remainder `index` when divided by `of`; null = all. */
  readonly userPart: { readonly index: number; readonly of: number } | null;
}

/** A text view of rows. Those that `of` does not match have any value or none. */
export interface RowLabel {
  readonly subject: Subject;
  readonly of: Filter;
}

/**
 * Some rows of a scan, to be read before the call that is given them returns; what was not asked for
 * is null.
 */
export interface ScannedRows {
  readonly count: number;
  /** Event types by series id; the same for all rows of a scan. */
  readonly types: ReadonlyMap<number, string>;
  readonly series: Int32Array;
  readonly seq: Float64Array | null;
  /** uint64 pairs, low word first. */
  readonly userHash: Uint32Array | null;
  readonly sessionHash: Uint32Array | null;
  /** ms since the epoch. */
  readonly timestampMs: Float64Array | null;
  /** NaN = none. */
  readonly amount: Float64Array | null;
  readonly match: Int32Array | null;
  /** Whether each row, of all so far, comes after the one before it in the log. */
  readonly inOrder: boolean | null;
  /** By subject, then by row. */
  readonly values: readonly (readonly (string | null)[])[];
  readonly label: GroupTexts | null;
}

/** In which of up to USER_PERIODS_MAX periods each user was active. */
export interface UserPeriodsQuery {
  readonly project: string;
  /** Period i is [boundsMs[i], boundsMs[i + 1]) by event time. */
  readonly boundsMs: readonly number[];
  /** What an event must match to make its user active; null = any event does. */
  readonly filter: Filter | null;
  /**
   * Not null: only users with an event that matches this one, looked for from `fromMs` on, and whose
   * first such event lies in a period; they are active by events at or after it.
   */
  readonly since: { readonly fromMs: number; readonly filter: Filter | null } | null;
}

/** Some users of a UserPeriodsQuery, each once. */
export interface UserPeriods {
  readonly count: number;
  /** First event of `since`, ms since the epoch; null when that is. */
  readonly firstMs: Float64Array | null;
  /**
   * Bit i, low word first: active in period i. Without `since` never 0; with it, bits of periods
   * before the one of `firstMs` mean nothing.
   */
  readonly active: Uint32Array;
}

/** What groups may be told apart by beyond their keys: users, sessions, bins of DDSketch. */
export type GroupSplit = "user" | "session" | "value";

/** Rows to be counted by group. */
export interface GroupScan {
  readonly project: string;
  /** Bucket i is [boundsMs[i], boundsMs[i + 1]) by event time; ascending, two or more. */
  readonly boundsMs: Float64Array;
  /** null = all. */
  readonly filter: Filter | null;
  /** What makes the groups, by their text views; none: all rows are one group. */
  readonly by: readonly Subject[];
  /** Whose number view is added up; null = none. */
  readonly value: Subject | null;
  /** One reading of the rows for each; none: one reading that splits no group. */
  readonly splits: readonly GroupSplit[];
}

/** Text views as numbers: that of row i is `texts[ids[i]]`; several ids may mean the same text. */
export interface GroupTexts {
  readonly ids: Int32Array;
  /** Of all rows of a reading so far; null = without the subject. */
  readonly texts: readonly (string | null)[];
}

/** Some groups of a scan, or parts of groups: what has the same keys is to be added up. */
export interface GroupedRows {
  readonly count: number;
  /** What they are split by; null = nothing. Each reading has all rows once. */
  readonly split: GroupSplit | null;
  /** By subject. */
  readonly keys: readonly GroupTexts[];
  readonly bucket: Int32Array;
  readonly events: Float64Array;
  /** Rows that had a number, and the sum and extremes of the numbers; all 0 or NaN without any. */
  readonly valueCount: Float64Array;
  readonly valueSum: Float64Array;
  readonly valueMin: Float64Array;
  readonly valueMax: Float64Array;
  /** Split by user or session: whose, uint64 pairs, low word first. */
  readonly hash: Uint32Array | null;
}

/** Property keys that may or may not be in use. */
export interface KeyQuery {
  readonly project: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly keys: readonly string[];
}

/** The store of one partition. All methods throw StoreError on an operating failure. */
export interface PartitionStore {
  readonly partition: number;
  /** False: events are not kept one by one, and what reads rows throws RTA_STORE_NO_ROWS. */
  readonly keepsRows: boolean;
  /** Sequence number after that of the last committed row. */
  readonly nextSeq: number;
  load(): Promise<LoadedPartition>;
  /** Calls `onChunk(idHash pairs, receivedAtMs, count)` for rows received at or after sinceMs. */
  recentIds(
    sinceMs: number,
    onChunk: (idHash: Uint32Array, receivedAtMs: Float64Array, count: number) => void,
  ): Promise<void>;
  /** Per user with derived sessions received since: the session of the latest event time. */
  recentSessions(
    sinceMs: number,
    onChunk: (
      userHash: Uint32Array,
      sessionHash: Uint32Array,
      lastTimestampMs: Float64Array,
      lastReceivedAtMs: Float64Array,
      count: number,
    ) => void,
  ): Promise<void>;
  /**
   * One transaction: rows, delta, series, offset, and the flushed cells if given; with a flush, the
   * deltas so far and the one of this commit are not kept. Commits run in the order of the calls.
   * When it throws, all of it happened or nothing did: `load` tells which.
   */
  commit(commit: PartitionCommit, flush: CellFlush | null): Promise<void>;
  /** Buckets of a level that have stored cells, ascending. */
  storedBuckets(level: Level): Promise<number[]>;
  readCells(query: CellQuery): Promise<StoredCell[]>;
  /** Committed rows with fromMs <= timestamp < toMs of the named series (null = all). */
  rowsInRange(fromMs: number, toMs: number, series: readonly number[] | null): Promise<RangeRows>;
  /**
   * Calls `onRows` for committed rows, chunk by chunk, in any order (`seq` is the log's). An aborted signal ends the scan
   * soon and rejects with its reason, as it does for every read that takes one.
   */
  scanRows(
    scan: RowScan,
    onRows: (rows: ScannedRows) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Calls `onUsers` for all users there are, chunk by chunk, in any order. */
  userPeriods(
    query: UserPeriodsQuery,
    onUsers: (users: UserPeriods) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Calls `onGroups` with the groups of committed rows, in any order, reading after reading. */
  groupRows(
    scan: GroupScan,
    onGroups: (groups: GroupedRows) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Of the keys, those that a property of any committed event in the range has. */
  knownKeys(query: KeyQuery, signal: AbortSignal): Promise<string[]>;
  /** The user ids of committed rows, in the order of their `seqs`, of which there are few. */
  userIdsOf(seqs: readonly number[], signal: AbortSignal): Promise<string[]>;
  /** One page of a user's committed events. */
  userEvents(query: UserEventsQuery, signal?: AbortSignal): Promise<StoredEvent[]>;
  /**
   * Calls `onParts` for parts of sessions that together are the committed rows of one user, each row
   * in one of them. Parts of one session of equal times come in the order of the log.
   */
  sessionParts(
    query: SessionPartsQuery,
    onParts: (parts: SessionPartChunk) => void,
    signal?: AbortSignal,
  ): Promise<void>;
  /** By the places of the query: the session id that the client gave; null = it is derived. */
  sessionIds(query: SessionIdsQuery, signal?: AbortSignal): Promise<Map<number, string | null>>;
  /** The first users of a search, in the order of their ids; reads all rows of the project. */
  findUsers(search: UserSearch, signal: AbortSignal): Promise<FoundUser[]>;
  /** Where the rows end: the number that the next committed row gets. */
  rowsEnd(): Promise<number>;
  /** The rows of a window as lines of text. */
  readLines(window: LineWindow, signal: AbortSignal): Promise<RowLines>;
  /** Copies the rows of a window to a Parquet file. */
  copyRows(window: CopyWindow, signal: AbortSignal): Promise<CopiedRows>;
  /** Bytes on disk, for metrics. */
  sizeBytes(): number;
  /** Releases files and native handles. Safe to call twice. */
  close(): Promise<void>;
}

/** Stable codes of a store that cannot do its work. */
export type StoreErrorCode =
  | "RTA_STORE_UNAVAILABLE"
  | "RTA_STORE_LOCKED"
  | "RTA_STORE_FULL"
  | "RTA_STORE_FORMAT"
  | "RTA_STORE_NO_ROWS"
  | "RTA_STORE_MEMORY"
  | "RTA_STORE_CORRUPT";

/** An operating failure of the store. */
export class StoreError extends Error {
  constructor(readonly code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}

/** What answers that need single events end in where a store keeps none; `hint`: what works. */
export function rowsNotKept(hint = ""): StoreError {
  return new StoreError("RTA_STORE_NO_ROWS", `rows are not kept: RTA_ROWS=off${hint}`);
}
