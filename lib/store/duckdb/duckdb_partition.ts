/**
 * PartitionStore on DuckDB: one file for each partition, one writing connection, snapshot reads.
 *
 * A commit is one transaction: BEGIN, rows by data chunks, series, delta or cells, state, COMMIT.
 * When any of it fails the writing connection is thrown away with everything it held; when DuckDB
 * has given up the whole database (a full disk in a checkpoint, say), the file is opened again
 * before the next call.
 */

import type {
  CellFlush,
  CellQuery,
  GroupedRows,
  GroupScan,
  KeyQuery,
  Level,
  LoadedPartition,
  PartitionCommit,
  PartitionStore,
  RangeRows,
  RowScan,
  ScannedRows,
  StoredCell,
  StoredEvent,
  UserEventsQuery,
  UserPeriods,
  UserPeriodsQuery,
  UserRowsQuery,
} from "../event_store.ts";
import { rowsNotKept, StoreError } from "../event_store.ts";
import type { CopiedRows, CopyWindow, LineWindow, RowLines } from "../row_window.ts";
import type { FoundUser, UserSearch } from "../../query/user/user_search.ts";
import type { UserRowChunk } from "../../query/user/user_row.ts";
import { isInvalidated, isOutOfMemory, toStoreError } from "./duckdb_error.ts";
import { DuckdbFile, sizeOf } from "./duckdb_file.ts";
import { readTypeNames, type TypeNames } from "./filter_sql.ts";
import { HeavyScans } from "./heavy_scans.ts";
import { interruptedBy } from "./interrupted_by.ts";
import type { Connection } from "./native.ts";
import * as queries from "./partition_queries.ts";
import { ProjectTypes } from "./project_types.ts";
import { inSnapshot, runSql } from "./read_stream.ts";
import { readGroups } from "./row_groups.ts";
import { readKnownKeys, readUserIds, scanRows } from "./row_scan.ts";
import { writeCommit } from "./write_commit.ts";
import { copyRows, readLines, readRowsEnd } from "./row_windows.ts";
import { readUserPeriods } from "./user_periods.ts";
import { UserIndex } from "./user_index.ts";
import { readUserEvents, readUserRows, readUsers } from "./user_reads.ts";

/** A commit of more rows than this is part of catching up. */
const SMALL_COMMIT_ROWS = 16_384;

/** While catching up, memory is trimmed after so many rows. */
const TRIM_EVERY_ROWS = 131_072;

/** Memory is trimmed after so many reads. */
const TRIM_EVERY_READS = 64;

/** A log of writes longer than this is checkpointed even if reads have to wait for it, bytes. */
const WAL_BYTES_MAX = 16 * 1024 * 1024;

/** The same while rows are scanned, bytes. */
const WAL_BYTES_SCANNED_MAX = 4 * WAL_BYTES_MAX;

/** A window of so few rows is not made smaller when it does not fit into memory. */
const COPY_ROWS_LEAST = 256;

/** How a partition's database is to be set up. */
export interface DuckdbSettings {
  /** DuckDB's settings by name. */
  readonly config: Readonly<Record<string, string>> & { readonly memory_limit: string };
  /** Memory that it may keep between one piece of work and the next, as DuckDB writes sizes. */
  readonly keptMemory: string;
  /** Whether rows are kept; fixed when the file is made. */
  readonly keepsRows: boolean;
}

export class DuckdbPartition implements PartitionStore {
  readonly partition: number;
  readonly keepsRows: boolean;
  readonly #settings: DuckdbSettings;
  #file: DuckdbFile;
  #nextDelta: number;
  #invalidated = false;
  #closed = false;
  /** The end of what the writing side was last asked for: its work is done in turn. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** What was done since memory was last trimmed. */
  #untrimmedRows = 0;
  #untrimmedReads = 0;
  #trimming = false;
  readonly #heavy = new HeavyScans();
  /** Scans that run or wait, and whether trimming was put off for one. */
  #scanning = 0;
  #untrimmed = false;
  #walBytes = 0;
  #nextSeq: number;
  readonly #users = new UserIndex();
  readonly #types = new ProjectTypes();
  readonly #reads = new Set<Promise<unknown>>();

  private constructor(
    partition: number,
    settings: DuckdbSettings,
    file: DuckdbFile,
    nextDelta: number,
    nextSeq: number,
  ) {
    this.partition = partition;
    this.keepsRows = settings.keepsRows;
    this.#settings = settings;
    this.#file = file;
    this.#nextDelta = nextDelta;
    this.#nextSeq = nextSeq;
  }

  static async open(
    partition: number,
    path: string,
    settings: DuckdbSettings,
  ): Promise<DuckdbPartition> {
    const file = await DuckdbFile.open(path, settings.config, settings.keepsRows);
    try {
      const nextDelta = await file.read(queries.nextDeltaId);
      const nextSeq = await file.read(queries.readNextSeq);
      return new DuckdbPartition(partition, settings, file, nextDelta, nextSeq);
    } catch (error) {
      file.close();
      throw toStoreError(error, "open", path);
    }
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  load(): Promise<LoadedPartition> {
    return this.#read("load", queries.loadPartition);
  }

  recentIds(
    sinceMs: number,
    onChunk: (idHash: Uint32Array, receivedAtMs: Float64Array, count: number) => void,
  ): Promise<void> {
    const { keepsRows } = this;
    const done = this.#read("recentIds", (c) => {
      return queries.readRecentIds(c, keepsRows, sinceMs, onChunk);
    });
    return this.#trimAfter(done);
  }

  recentSessions(
    sinceMs: number,
    onChunk: Parameters<PartitionStore["recentSessions"]>[1],
  ): Promise<void> {
    const { keepsRows } = this;
    const done = this.#read("recentSessions", (c) => {
      return queries.readRecentSessions(c, keepsRows, sinceMs, onChunk);
    });
    return this.#trimAfter(done);
  }

  storedBuckets(level: Level): Promise<number[]> {
    return this.#read("storedBuckets", (c) => queries.readStoredBuckets(c, level));
  }

  readCells(query: CellQuery): Promise<StoredCell[]> {
    return this.#read("readCells", (c) => queries.readStoredCells(c, query));
  }

  rowsInRange(fromMs: number, toMs: number, series: readonly number[] | null): Promise<RangeRows> {
    return this.#readRows("rowsInRange", (c) => queries.readRowsInRange(c, fromMs, toMs, series));
  }

  scanRows(
    scan: RowScan,
    onRows: (rows: ScannedRows) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#stream("scanRows", onRows, (c, give) => scanRows(c, scan, give), signal);
  }

  userPeriods(
    query: UserPeriodsQuery,
    onUsers: (users: UserPeriods) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const read = (c: Connection, give: typeof onUsers) => readUserPeriods(c, query, give);
    return this.#stream("userPeriods", onUsers, read, signal);
  }

  groupRows(
    scan: GroupScan,
    onGroups: (groups: GroupedRows) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#stream("groupRows", onGroups, (c, give) => readGroups(c, scan, give), signal);
  }

  knownKeys(query: KeyQuery, signal: AbortSignal): Promise<string[]> {
    return this.#scan("knownKeys", (c) => readKnownKeys(c, query), signal);
  }

  userIdsOf(seqs: readonly number[], signal: AbortSignal): Promise<string[]> {
    return this.#scan("userIdsOf", (c) => readUserIds(c, seqs), signal);
  }

  rowsEnd(): Promise<number> {
    return this.#readRows("rowsEnd", readRowsEnd);
  }

  readLines(window: LineWindow, signal: AbortSignal): Promise<RowLines> {
    return this.#scan("readLines", (c) => readLines(c, window), signal);
  }

  async copyRows(window: CopyWindow, signal: AbortSignal): Promise<CopiedRows> {
    for (let { toSeq } = window;; toSeq = Math.ceil((window.fromSeq + toSeq) / 2)) {
      try {
        const copy = (c: Connection) => copyRows(c, { ...window, toSeq });
        return await this.#scan("copyRows", copy, signal, () => false);
      } catch (error) {
        // Rows of unusual length: half as many may fit.
        if (!isOutOfMemory(error) || toSeq - window.fromSeq < COPY_ROWS_LEAST) throw error;
      }
    }
  }

  async userEvents(query: UserEventsQuery, signal?: AbortSignal): Promise<StoredEvent[]> {
    // Types are asked for after the rows are bounded: all of theirs are known then.
    const { fromSeq = 0, toSeq = this.#nextSeq, userHash, project } = query;
    const within = { fromSeq, toSeq };
    const ranges = query.isNarrow && userHash !== undefined
      ? this.#users.rangesOf(userHash, within)
      : [within];
    return await this.#readUser("userEvents", project, signal, (connection, types) => {
      return readUserEvents(connection, query, ranges, types);
    });
  }

  async userRows(
    query: UserRowsQuery,
    onRows: (rows: UserRowChunk) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const { fromSeq, userHash } = query;
    const toSeq = Math.min(query.toSeq, this.#nextSeq);
    void this.#users.fill(this.#nextSeq, (work) => {
      return this.#trimAfter(this.#read("userBlocks", work, (_, read) => read()));
    });
    const ranges = this.#users.rangesOf(userHash, { fromSeq, toSeq });
    await this.#readUser("userRows", query.project, signal, (connection, types) => {
      return readUserRows(connection, query, ranges, types, onRows);
    });
  }

  findUsers(search: UserSearch, signal: AbortSignal): Promise<FoundUser[]> {
    return this.#scan("findUsers", async (connection) => {
      return await readUsers(connection, search, await readTypeNames(connection, search.project));
    }, signal);
  }

  commit(commit: PartitionCommit, flush: CellFlush | null): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closedError());
    return this.#takeTurn(async () => {
      await this.#commit(commit, flush);
      this.#tidyUp(commit.rows.count, flush !== null);
    });
  }

  sizeBytes(): number {
    const { path } = this.#file;
    return Math.max(0, sizeOf(path)) + Math.max(0, sizeOf(`${path}.wal`));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.interruptReads();
    await this.#takeTurn(async () => {
      await Promise.allSettled([...this.#reads]);
      // Closing checkpoints too, but on this thread. Should it fail, the log of writes has it all.
      if (!this.#invalidated) {
        await runSql(this.#file.writer.connection, "CHECKPOINT").catch(() => {});
      }
      this.#file.close();
    });
  }

  async #commit(commit: PartitionCommit, flush: CellFlush | null): Promise<void> {
    await this.#reopenIfInvalidated();
    const file = this.#file;
    try {
      await this.#tryCommit(commit, flush);
    } catch (error) {
      if (!isOutOfMemory(error) || this.#invalidated) {
        throw toStoreError(error, "commit", file.path);
      }
      // The reads under way took what it needed: once more, without them.
      try {
        await file.withoutReads(() => this.#tryCommit(commit, flush));
      } catch (again) {
        throw toStoreError(again, "commit", file.path);
      }
    }
  }

  /** One attempt; when it fails, nothing is left of it in the writing connection. */
  async #tryCommit(commit: PartitionCommit, flush: CellFlush | null): Promise<void> {
    const file = this.#file;
    try {
      await runSql(file.writer.connection, "BEGIN");
      const deltaId = flush === null && commit.delta !== null ? this.#nextDelta++ : -1;
      await writeCommit(file.writer, commit, flush, deltaId, this.keepsRows);
      await runSql(file.writer.connection, "COMMIT");
      if (commit.newSeries.length > 0) this.#types.forget();
      this.#nextSeq = commit.nextSeq;
    } catch (error) {
      this.#invalidated ||= isInvalidated(error);
      await file.replaceWriter().catch(() => this.#invalidated = true);
      throw error;
    }
  }

  /** After a commit: is it time to checkpoint, or to trim memory? */
  #tidyUp(rows: number, flushed: boolean): void {
    const walBytes = sizeOf(`${this.#file.path}.wal`);
    const checkpointed = walBytes < this.#walBytes;
    this.#walBytes = walBytes;
    if (walBytes > WAL_BYTES_MAX) void this.#takeTurn(() => this.#checkpoint());
    this.#untrimmedRows += rows;
    // While catching up, the next commit would only ask for the same memory again.
    const due = rows > SMALL_COMMIT_ROWS
      ? this.#untrimmedRows >= TRIM_EVERY_ROWS
      : checkpointed || flushed || this.#untrimmedRows > SMALL_COMMIT_ROWS;
    if (due) this.#trimSoon();
  }

  /**
   * Moves the log of writes into the tables. DuckDB does so itself when a commit finds the log long
   * enough and no read under way; reads that always overlap would put it off forever.
   */
  async #checkpoint(): Promise<void> {
    const file = this.#file;
    const walBytes = sizeOf(`${file.path}.wal`);
    // A scan takes seconds, in which commits would wait behind this; the next commit tries again.
    const limit = this.#scanning > 0 ? WAL_BYTES_SCANNED_MAX : WAL_BYTES_MAX;
    if (this.#closed || this.#invalidated || walBytes <= limit) return;
    try {
      await file.withoutReads(() => runSql(file.writer.connection, "CHECKPOINT"));
    } catch (error) {
      // The commits stand in the log; the next call opens the file again, or says why it cannot.
      this.#invalidated ||= isInvalidated(error);
    }
  }

  /** Trims memory once a large read is done. */
  async #trimAfter(read: Promise<void>): Promise<void> {
    await read;
    this.#trimSoon();
  }

  /** Trims memory in the next turn of the writing side, unless that is going to happen anyway. */
  #trimSoon(): void {
    if (this.#trimming) return;
    this.#trimming = true;
    void this.#takeTurn(() => this.#trimMemory().finally(() => this.#trimming = false));
  }

  /**
   * Lets DuckDB drop cached pages down to what the partition may keep, and gives what it freed back
   * to the system: its allocator keeps that until a worker thread is idle, and with threads=1 there
   * is none; setting the memory limit does both (measured: 199 MB -> 119 MB resident, 8 ms). The
   * limit itself stays well above, since DuckDB copes badly with reaching it: an allocation that
   * fails in the wrong place costs the whole database.
   */
  async #trimMemory(): Promise<void> {
    if (this.#closed || this.#invalidated) return;
    this.#untrimmed = this.#scanning > 0;
    if (this.#untrimmed) return;
    this.#untrimmedRows = this.#untrimmedReads = 0;
    const { connection } = this.#file.writer;
    const setLimit = (limit: string) =>
      runSql(connection, `SET memory_limit = '${limit}'`).catch(() => {});
    await this.#file.withoutReads(async () => {
      await setLimit(this.#settings.keptMemory);
      await setLimit(this.#settings.config.memory_limit);
    });
  }

  /** A read of rows: refused where there are none, whoever asks. */
  #readRows<T>(doing: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.keepsRows ? this.#read(doing, work) : Promise.reject(rowsNotKept());
  }

  /** A read of one user's rows: all of them are before #nextSeq, so it needs no snapshot. */
  async #readUser<T>(
    doing: string,
    project: string,
    signal: AbortSignal | undefined,
    work: (connection: Connection, types: TypeNames) => Promise<T>,
  ): Promise<T> {
    if (!this.keepsRows) throw rowsNotKept();
    const ended = signal ?? new AbortController().signal;
    try {
      return await this.#read(doing, (connection) => {
        return interruptedBy(ended, connection, async () => {
          return await work(connection, await this.#types.of(connection, project));
        });
      }, (_, read) => read());
    } catch (error) {
      ended.throwIfAborted();
      throw error;
    }
  }

  async #read<T>(
    doing: string,
    work: (connection: Connection) => Promise<T>,
    isolate: (connection: Connection, read: () => Promise<T>) => Promise<T> = inSnapshot,
  ): Promise<T> {
    if (this.#closed) throw this.#closedError();
    if (this.#invalidated) await this.#takeTurn(() => this.#reopenIfInvalidated());
    const file = this.#file;
    const reading = file.read((c) => isolate(c, () => work(c)));
    this.#reads.add(reading);
    try {
      const answer = await reading;
      if (++this.#untrimmedReads >= TRIM_EVERY_READS) this.#trimSoon();
      return answer;
    } catch (error) {
      this.#invalidated ||= isInvalidated(error);
      throw toStoreError(error, doing, file.path);
    } finally {
      this.#reads.delete(reading);
    }
  }

  /** A scan whose results come in pieces: it may be run again as long as none has come. */
  #stream<T>(
    doing: string,
    onPiece: (piece: T) => void,
    work: (connection: Connection, give: (piece: T) => void) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let hasBegun = false;
    const give = (piece: T) => {
      hasBegun = true;
      onPiece(piece);
    };
    return this.#scan(doing, (connection) => work(connection, give), signal, () => !hasBegun);
  }

  /** A read that may take long, and ends when the signal is aborted. */
  async #scan<T>(
    doing: string,
    work: (connection: Connection) => Promise<T>,
    signal: AbortSignal,
    mayRunAgain: () => boolean = () => true,
  ): Promise<T> {
    signal.throwIfAborted();
    const once = () => this.#readRows(doing, (c) => interruptedBy(signal, c, () => work(c)));
    this.#scanning++;
    try {
      return await once();
    } catch (error) {
      signal.throwIfAborted();
      if (!isOutOfMemory(error) || !mayRunAgain()) throw error;
      this.#untrimmed = true;
      return await this.#heavy.run((set) => this.#read(doing, set), once).catch((again) => {
        signal.throwIfAborted();
        throw again;
      });
    } finally {
      this.#scanning--;
      if (this.#untrimmed && this.#scanning === 0) this.#trimSoon();
    }
  }

  /** Does `work` once all that was asked of the writing side before is done, failed or not. */
  #takeTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastTurn.then(work);
    this.#lastTurn = done.catch(() => {});
    return done;
  }

  /** Opens the file again when DuckDB has given it up. Runs in a turn of the writing side. */
  async #reopenIfInvalidated(): Promise<void> {
    if (!this.#invalidated) return;
    await Promise.allSettled([...this.#reads]);
    this.#file.close();
    this.#file = await DuckdbFile.open(this.#file.path, this.#settings.config, this.keepsRows);
    this.#invalidated = false;
  }

  #closedError(): StoreError {
    return new StoreError("RTA_STORE_UNAVAILABLE", `store ${this.#file.path} is closed`);
  }
}
