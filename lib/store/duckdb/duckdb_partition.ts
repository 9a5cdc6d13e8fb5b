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
  SessionIdsQuery,
  SessionPartsQuery,
  StoredCell,
  StoredEvent,
  UserEventsQuery,
  UserPeriods,
  UserPeriodsQuery,
} from "../event_store.ts";
import { rowsNotKept, StoreError } from "../event_store.ts";
import type { CopiedRows, CopyWindow, LineWindow, RowLines } from "../row_window.ts";
import type { FoundUser, UserSearch } from "../../query/user/user_search.ts";
import type { SessionPartChunk } from "../../query/user/session_part.ts";
import { fitsBlocks } from "./block_scan.ts";
import { isInvalidated, isOutOfMemory, toStoreError } from "./duckdb_error.ts";
import { DuckdbFile, sizeOf } from "./duckdb_file.ts";
import { type DuckdbSettings, WAL_BYTES_MAX, WAL_BYTES_SCANNED_MAX } from "./duckdb_settings.ts";
import { readTypeNames, type TypeNames } from "./filter_sql.ts";
import { HeavyScans } from "./heavy_scans.ts";
import { interruptedBy } from "./interrupted_by.ts";
import { MemoryTrim, SMALL_COMMIT_ROWS } from "./memory_trim.ts";
import type { Connection } from "./native.ts";
import * as queries from "./partition_queries.ts";
import { ProjectTypes } from "./project_types.ts";
import { inSnapshot, runSql } from "./read_stream.ts";
import { groupedKeys, readGroups } from "./row_groups.ts";
import { readKnownKeys, readUserIds, scannedKeys, scanRows } from "./row_scan.ts";
import { writeCommit } from "./write_commit.ts";
import { copyRows, copyWhatFits, readLines, readRowsEnd } from "./row_windows.ts";
import { periodKeys, readUserPeriods } from "./user_periods.ts";
import { SideFiles } from "./side_files.ts";
import * as users from "./user_reads.ts";

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
  readonly #trim = new MemoryTrim(() => this.#takeTurn(() => this.#trimMemory()));
  readonly #heavy = new HeavyScans();
  /** Scans that run or wait, and whether trimming was put off for one. */
  #scanning = 0;
  #untrimmed = false;
  #walBytes = 0;
  #nextSeq: number;
  readonly #sides: SideFiles;
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
    this.#sides = new SideFiles(file.path, settings.sides, {
      read: (work) => this.#read("read blocks", work),
      write: (work) => this.#writeSides(work),
      made: () => this.#trim.soon(),
    });
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
    return this.#trimAfter(this.#read("recentIds", (c) => {
      return queries.readRecentIds(c, this.keepsRows, sinceMs, onChunk);
    }));
  }

  recentSessions(
    sinceMs: number,
    onChunk: Parameters<PartitionStore["recentSessions"]>[1],
  ): Promise<void> {
    return this.#trimAfter(this.#read("recentSessions", (c) => {
      return queries.readRecentSessions(c, this.keepsRows, sinceMs, onChunk);
    }));
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

  async scanRows(
    scan: RowScan,
    onRows: (rows: ScannedRows) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.keepsRows && fitsBlocks(scan)) await this.#sides.askBlocks();
    const read = (c: Connection, sides: SideFiles, give: typeof onRows) => {
      return scanRows(c, scan, sides, give, signal);
    };
    await this.#scanEvents("scanRows", scannedKeys(scan), onRows, signal, read);
  }

  userPeriods(
    query: UserPeriodsQuery,
    onUsers: (users: UserPeriods) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const keys = periodKeys(query);
    return this.#scanEvents("userPeriods", keys, onUsers, signal, (c, { columns }, give) => {
      return readUserPeriods(c, query, columns, give);
    });
  }

  groupRows(
    scan: GroupScan,
    onGroups: (groups: GroupedRows) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const keys = groupedKeys(scan);
    return this.#scanEvents("groupRows", keys, onGroups, signal, (c, { columns }, give) => {
      return readGroups(c, scan, columns, give);
    });
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

  copyRows(window: CopyWindow, signal: AbortSignal): Promise<CopiedRows> {
    return copyWhatFits(window, (part) => {
      return this.#scan("copyRows", (c) => copyRows(c, part), signal, () => false);
    });
  }

  async userEvents(query: UserEventsQuery, signal?: AbortSignal): Promise<StoredEvent[]> {
    // Types are asked for after the rows are bounded: all of theirs are known then.
    const { toSeq = this.#nextSeq, project } = query;
    return await users.readUserEventsApart(query, (part) => {
      return this.#readUser("userEvents", project, signal, (connection, types) => {
        return users.readUserEvents(connection, part, toSeq, types);
      });
    });
  }

  async sessionParts(
    query: SessionPartsQuery,
    onParts: (parts: SessionPartChunk) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    if (!this.keepsRows) throw rowsNotKept();
    const { kept } = await this.#sides.askSessions(this.#nextSeq);
    const known = { ...query, toSeq: Math.min(query.toSeq, this.#nextSeq) };
    await this.#readUser("sessionParts", query.project, signal, (connection, types) => {
      return users.readSessionParts(connection, known, kept, types, onParts);
    });
  }

  async sessionIds(
    query: SessionIdsQuery,
    signal?: AbortSignal,
  ): Promise<Map<number, string | null>> {
    const { kept } = this.#sides.sessions;
    return await this.#readUser("sessionIds", query.project, signal, (connection) => {
      return users.readSessionIds(connection, query, kept);
    });
  }

  findUsers(search: UserSearch, signal: AbortSignal): Promise<FoundUser[]> {
    return this.#scan("findUsers", async (c) => {
      return await users.readUsers(c, search, await readTypeNames(c, search.project));
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
    const files = [path, ...this.#sides.paths].flatMap((file) => [file, `${file}.wal`]);
    return files.reduce((sum, file) => sum + Math.max(0, sizeOf(file)), 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#trim.stop();
    this.#file.interruptReads();
    await this.#takeTurn(async () => {
      await Promise.allSettled([...this.#reads, this.#sides.blocks.settled()]);
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
    this.#trim.afterCommit(rows, checkpointed || flushed);
    // Who has asked will ask again; a backlog comes first.
    if (rows <= SMALL_COMMIT_ROWS) void this.#sides.fill(this.#nextSeq);
  }

  #writeSides(work: (connection: Connection) => Promise<void>): Promise<void> {
    return this.#takeTurn(async () => {
      if (this.#closed) throw this.#closedError();
      await this.#reopenIfInvalidated();
      try {
        await work(this.#file.writer.connection);
      } catch (error) {
        // DuckDB may have given up more than that file: the next call opens all again.
        this.#invalidated ||= !isOutOfMemory(error);
        throw error;
      }
    });
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
    this.#trim.soon();
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
    this.#trim.begun();
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
      }, true);
    } catch (error) {
      ended.throwIfAborted();
      throw error;
    }
  }

  async #read<T>(
    doing: string,
    work: (connection: Connection) => Promise<T>,
    isOfUser = false,
  ): Promise<T> {
    if (this.#closed) throw this.#closedError();
    if (this.#invalidated) await this.#takeTurn(() => this.#reopenIfInvalidated());
    const file = this.#file;
    const reading = file.read(isOfUser ? work : (c) => inSnapshot(c, () => work(c)), isOfUser);
    this.#reads.add(reading);
    try {
      const answer = await reading;
      this.#trim.afterRead();
      return answer;
    } catch (error) {
      this.#invalidated ||= isInvalidated(error);
      throw toStoreError(error, doing, file.path);
    } finally {
      this.#reads.delete(reading);
    }
  }

  /**
   * A scan that may read the columns of these properties, and has those made that are lacking. Its
   * results come in pieces: it may be run again as long as none has come.
   */
  async #scanEvents<T>(
    doing: string,
    keys: ReadonlySet<string>,
    onPiece: (piece: T) => void,
    signal: AbortSignal,
    read: (connection: Connection, sides: SideFiles, give: typeof onPiece) => Promise<void>,
  ): Promise<void> {
    if (keys.size > 0 && this.keepsRows) await this.#sides.askColumns(keys);
    let hasBegun = false;
    const give = (piece: T) => {
      hasBegun = true;
      onPiece(piece);
    };
    try {
      await this.#scan(doing, (c) => read(c, this.#sides, give), signal, () => !hasBegun);
    } finally {
      // Only now: the question comes first.
      void this.#sides.fill(this.#nextSeq);
    }
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
      if (this.#untrimmed && this.#scanning === 0) this.#trim.soon();
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
    this.#sides.detached();
    this.#invalidated = false;
  }

  #closedError(): StoreError {
    return new StoreError("RTA_STORE_UNAVAILABLE", `store ${this.#file.path} is closed`);
  }
}
