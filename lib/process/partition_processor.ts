/**
 * One partition in the hands of its shard: memory that makes a batch visible at once, and the
 * commit that makes it permanent.
 *
 *     apply(record) ... apply(record)   -> rows and delta pending, visible to questions
 *     commit()                          -> rows + delta + offset in one transaction of the store;
 *                                          the cells of all levels take the delta in
 *
 * While a commit runs, further records go into a second set of rows and a second delta; a question
 * sees cells, the delta that is being committed, and the one that is filling. A commit that fails
 * leaves memory ahead of the store, so whoever owns the processor must give it up and open it anew.
 */
import { COMMIT_CELLS, COMMIT_ROWS } from "../config/limits.ts";
import type { LogRecord } from "../log/event_log.ts";
import { releaseRecords } from "../log/release_records.ts";
import { RollupDelta } from "../rollup/rollup_delta.ts";
import type { CellFlush, PartitionStore } from "../store/event_store.ts";
import {
  type ApplyCounts,
  applyRecord,
  newApplyCounts,
  type PartitionMemory,
  type RefusedLine,
} from "./apply_record.ts";
import { DedupIndex } from "./dedup_index.ts";
import { HourGrains } from "./hour_grains.ts";
import type { RecordTap } from "./record_tap.ts";
import { RollupCells } from "./rollup_cells.ts";
import type { RowBatchPool } from "./row_batch_pool.ts";
import { SeriesTable } from "./series_table.ts";
import { SessionIndex, sessionMemoryMs } from "./session_index.ts";

export interface ProcessorOptions {
  /** Topic that events of other producers without an id are named by. */
  readonly topic: string;
  readonly dedupWindowMs: number;
  readonly dedupBytesMax: number;
  readonly sessionGapMs: number;
  readonly sessionBytesMax: number;
  /** Memory for rollup cells; past it they are flushed and forgotten. */
  readonly cellBytesMax: number;
  /** Deltas stored beside the cells are folded into them after this long, ms. */
  readonly flushIntervalMs: number;
  /** ... or when they have come to this many bytes. */
  readonly flushBytes: number;
}

/** What a commit made permanent. */
export interface Committed {
  readonly rows: number;
  /** The commit before ended here. */
  readonly fromOffset: number;
  /** Where the store would have the log read on. */
  readonly toOffset: number;
  /** received_at of its oldest and of its newest record, ms. */
  readonly firstReceivedAtMs: number;
  readonly lastReceivedAtMs: number;
  /** Its rollup change, encoded; null = no event counted. */
  readonly delta: Uint8Array | null;
}

/** Partitions flush in so many turns, spread over the interval. */
const FLUSH_TURNS = 8;

/** Processors made in this thread. */
let made = 0;

export class PartitionProcessor {
  /** Tells it from all others of this thread. */
  readonly serial = ++made;
  readonly series = new SeriesTable();
  readonly cells: RollupCells;
  /** Where the log is to be read on from, all of memory included. */
  nextOffset = 0;
  /** Where the store says it is to be read on from. */
  storedOffset = 0;
  /** received_at of the newest record applied, ms; 0 = none yet. */
  lastReceivedAtMs = 0;
  /** The same of the newest record stored. */
  storedReceivedAtMs = 0;
  /** Newest event time applied: the watermark, ms; 0 = none since the start. */
  watermarkMs = 0;
  /** When the oldest uncommitted record was applied, by the caller's clock; 0 = none is waiting. */
  pendingSinceMs = 0;
  counts: ApplyCounts = newApplyCounts();
  /** Watches what is applied. */
  tap: RecordTap | null = null;
  readonly #memory: PartitionMemory;
  #committing: RollupDelta | null = null;
  /** Where the last commit that was begun ends, and its delta once that is encoded. */
  #commitTo = 0;
  #commitDelta: Uint8Array | null = null;
  /** Records whose bytes the pending rows point into; without rows, the last one alone. */
  #records: LogRecord[] = [];
  /** Of the oldest record that waits for a commit; 0 = none waits. */
  #firstReceivedAtMs = 0;
  #nextSeq = 0;
  #deltaBytes = 0;
  #flushedAtMs: number;

  private constructor(
    readonly store: PartitionStore,
    readonly options: ProcessorOptions,
    readonly pool: RowBatchPool,
    nowMs: number,
  ) {
    const grains = new HourGrains();
    this.cells = new RollupCells(store, grains, (series) => this.series.allSeriesOf(series));
    this.#memory = {
      topic: options.topic,
      series: this.series,
      dedup: new DedupIndex(Math.ceil(options.dedupWindowMs / 1000), options.dedupBytesMax),
      grains,
      sessions: new SessionIndex(options.sessionGapMs, options.sessionBytesMax),
      keepsRows: store.keepsRows,
      rows: pool.take(),
      delta: new RollupDelta(),
      tap: null,
    };
    // Not all partitions in one moment: each flush takes some MiB while it runs.
    const turn = store.partition % FLUSH_TURNS / FLUSH_TURNS;
    this.#flushedAtMs = nowMs - Math.floor(turn * options.flushIntervalMs);
  }

  /** Reads back all that the last commit left. */
  static async open(
    store: PartitionStore,
    options: ProcessorOptions,
    pool: RowBatchPool,
    nowMs: number,
  ): Promise<PartitionProcessor> {
    const processor = new PartitionProcessor(store, options, pool, nowMs);
    const loaded = await store.load();
    processor.series.restore(loaded.series);
    processor.nextOffset = processor.storedOffset = loaded.nextOffset;
    processor.#nextSeq = loaded.nextSeq;
    processor.lastReceivedAtMs = processor.storedReceivedAtMs = loaded.lastReceivedAtMs;
    await processor.cells.load();
    for (const bytes of loaded.deltas) {
      const delta = RollupDelta.decode(bytes);
      processor.cells.restoreGrains(delta);
      await processor.cells.prepare(delta);
      processor.cells.apply(delta);
      processor.#deltaBytes += bytes.length;
    }
    await processor.#restoreIndexes(loaded.lastReceivedAtMs);
    return processor;
  }

  get partition(): number {
    return this.store.partition;
  }

  /**
   * Whether what waits is as much as one commit should take: rows, or cells where events are spread
   * over so many minutes and types that the cells weigh more than the rows.
   */
  get batchIsFull(): boolean {
    const { rows, delta } = this.#memory;
    return rows.count >= COMMIT_ROWS || delta.cellCount >= COMMIT_CELLS;
  }

  /** Whether the batch stays within one commit with this record; one that is empty takes any. */
  hasRoomFor(record: LogRecord): boolean {
    const { count } = this.#memory.rows;
    return count === 0 || count + record.events <= COMMIT_ROWS;
  }

  /** Rows that wait for a commit. */
  get pendingRows(): number {
    return this.#memory.rows.count;
  }

  /** Whether the offset has moved past what the store knows, rows or not. */
  get hasUncommitted(): boolean {
    return this.#memory.rows.count > 0 || this.nextOffset !== this.storedOffset;
  }

  get isCommitting(): boolean {
    return this.#committing !== null;
  }

  /** Ids and users forgotten before their time because memory was full. */
  get evicted(): number {
    return this.#memory.dedup.evicted + this.#memory.sessions.evicted;
  }

  /** Takes one record into memory. Throws only on a broken invariant. */
  apply(record: LogRecord, nowMs: number, refused: RefusedLine): void {
    // Kafka may leave offsets out; going back would count events twice.
    if (record.offset < this.nextOffset) {
      throw new Error(
        `partition ${this.partition}: record at ${record.offset}, expected ${this.nextOffset}`,
      );
    }
    if (this.#firstReceivedAtMs === 0) this.#firstReceivedAtMs = record.receivedAtMs;
    const memory = this.#memory;
    if (!memory.keepsRows) this.#letRecordsGo();
    if (memory.rows.count === 0) memory.rows = this.pool.exchange(memory.rows);
    memory.tap = this.tap?.begin(record, nowMs) ?? null;
    applyRecord(memory, record, this.counts, refused);
    this.#records.push(record);
    this.nextOffset = record.nextOffset;
    if (memory.tap !== null) this.tap?.end(record);
    this.lastReceivedAtMs = record.receivedAtMs;
    if (this.pendingSinceMs === 0) this.pendingSinceMs = nowMs;
  }

  /** Nothing points into records that are applied but the rows; the last one is its giver's still. */
  #letRecordsGo(): void {
    releaseRecords(this.#records);
    this.#records.length = 0;
  }

  /** The counts since the last call. */
  takeCounts(): ApplyCounts {
    const counts = this.counts;
    this.watermarkMs = Math.max(this.watermarkMs, counts.maxTimestampMs);
    this.counts = newApplyCounts();
    return counts;
  }

  /** Deltas that questions have to look at on top of the cells. */
  openDeltas(): RollupDelta[] {
    return this.#committing ? [this.#committing, this.#memory.delta] : [this.#memory.delta];
  }

  /** The encoded deltas of what was applied after `offset`, where an earlier commit ended. */
  deltasAfter(offset: number): Uint8Array[] {
    const { delta } = this.#memory;
    const open = delta.isEmpty ? [] : [delta.encode()];
    if (this.#commitTo <= offset) return open;
    const committing = this.#committing;
    const isEncoded = committing === null || committing === EMPTY_DELTA;
    const commit = isEncoded ? this.#commitDelta : committing.isEmpty ? null : committing.encode();
    return commit === null ? open : [commit, ...open];
  }

  /** The delta of the last commit is kept elsewhere now. */
  forgetCommitDelta(): void {
    if (this.#committing === null) this.#commitDelta = null;
  }

  /**
   * Makes all that was applied so far permanent, in one transaction. One at a time per partition.
   * With `flushNow` the cells are stored as well. Throws StoreError; the processor is void then.
   */
  async commit(nowMs: number, flushNow = false): Promise<Committed> {
    const { rows, delta } = this.#memory;
    const offset = this.nextOffset;
    const fromOffset = this.storedOffset;
    const receivedAtMs = this.lastReceivedAtMs;
    const records = this.#records;
    const firstReceivedAtMs = this.#firstReceivedAtMs || receivedAtMs;
    this.#firstReceivedAtMs = 0;
    this.#records = [];
    this.#committing = delta;
    this.#commitTo = offset;
    this.#commitDelta = null;
    this.#memory.rows = this.pool.take();
    this.#memory.delta = new RollupDelta();
    this.pendingSinceMs = 0;
    rows.firstSeq = this.#nextSeq;
    this.#nextSeq += rows.count;
    const nextSeq = this.#nextSeq;
    const newSeries = this.series.takeFresh();

    await this.cells.prepare(delta);
    this.cells.apply(delta);
    this.#committing = EMPTY_DELTA;
    const encoded = this.#commitDelta = delta.isEmpty ? null : delta.encode();
    this.#deltaBytes += encoded?.length ?? 0;
    const flush = flushNow || this.#flushIsDue(nowMs) ? this.#flushOf() : null;
    const commit = {
      rows,
      nextOffset: offset,
      nextSeq,
      lastReceivedAtMs: receivedAtMs,
      recentSinceMs: Math.min(this.#idsSince(receivedAtMs), this.#sessionsSince(receivedAtMs)),
      newSeries,
      delta: encoded,
    };
    await this.store.commit(commit, flush);

    this.storedOffset = offset;
    this.storedReceivedAtMs = receivedAtMs;
    if (flush !== null) {
      this.cells.markFlushed();
      this.#deltaBytes = 0;
      this.#flushedAtMs = nowMs;
      this.cells.evict(this.options.cellBytesMax);
    }
    this.#committing = null;
    const stored = rows.count;
    this.pool.give(rows);
    releaseRecords(records);
    return {
      rows: stored,
      fromOffset,
      toOffset: offset,
      firstReceivedAtMs,
      lastReceivedAtMs: receivedAtMs,
      delta: encoded,
    };
  }

  #flushIsDue(nowMs: number): boolean {
    if (this.cells.dirtyCount === 0) return false;
    return nowMs - this.#flushedAtMs >= this.options.flushIntervalMs ||
      this.#deltaBytes >= this.options.flushBytes ||
      this.cells.byteSize > this.options.cellBytesMax;
  }

  #flushOf(): CellFlush {
    return { cells: this.cells.dirtyCells() };
  }

  /** Ids received before this are forgotten, ms; with a second more, for it counts in seconds. */
  #idsSince(lastReceivedAtMs: number): number {
    return lastReceivedAtMs - this.options.dedupWindowMs - 1000;
  }

  /** The same of users' last sessions. */
  #sessionsSince(lastReceivedAtMs: number): number {
    return lastReceivedAtMs - sessionMemoryMs(this.options.sessionGapMs) - 1000;
  }

  /** Dedup and sessions are functions of the rows: read back those that still matter. */
  async #restoreIndexes(lastReceivedAtMs: number): Promise<void> {
    const { dedup, sessions } = this.#memory;
    await this.store.recentIds(this.#idsSince(lastReceivedAtMs), (idHash, receivedAtMs, count) => {
      for (let i = 0; i < count; i++) {
        dedup.add(idHash[2 * i], idHash[2 * i + 1], receivedAtMs[i]);
      }
    });
    const sessionsSince = this.#sessionsSince(lastReceivedAtMs);
    await this.store.recentSessions(sessionsSince, (user, session, lastMs, receivedMs, count) => {
      for (let i = 0; i < count; i++) {
        sessions.restore(
          user[2 * i],
          user[2 * i + 1],
          session[2 * i],
          session[2 * i + 1],
          lastMs[i],
          receivedMs[i],
        );
      }
    });
  }
}

/** Stands for a commit whose delta the cells have already taken in. */
const EMPTY_DELTA = new RollupDelta();
