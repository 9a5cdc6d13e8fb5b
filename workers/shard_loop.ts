/**
 * The loop of one shard: pull records of its partitions from the log, apply them to memory, commit
 * by load, answer questions in between, tell the main thread how far it has come.
 *
 * Commits follow the load. A caught-up partition commits when its last commit lies
 * COMMIT_PAUSE_FACTOR times its own duration back (so that committing takes a few percent of a core
 * at most), and after `commitIntervalMs` in any case. One that catches up commits full batches.
 */
import {
  COMMIT_PAUSE_FACTOR,
  COMMIT_PAUSE_MS_MIN,
  COMMIT_ROWS,
  LAG_EVENTS_CATCHING_UP,
  SHARD_READ_BYTES_MAX,
} from "../lib/config/limits.ts";
import type { EventLogReader } from "../lib/log/event_log.ts";
import { releaseRecords } from "../lib/log/release_records.ts";
import { AnswerMemo } from "../lib/process/answer_memo.ts";
import { type ApplyCounts, newApplyCounts } from "../lib/process/apply_record.ts";
import type { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { encodeProgress, PROGRESS_FRAME } from "../lib/process/progress_frame.ts";
import type { RingWriter } from "../lib/ring/ring.ts";
import type { RollupPartial } from "../lib/query/partial.ts";
import type { RollupPlan } from "../lib/query/plan.ts";
import type { UserEventsQuery } from "../lib/store/event_store.ts";
import { macrotask } from "./macrotask.ts";
import type { ShardFault, UserAnswer } from "./protocol.ts";

export interface ShardLoopParts {
  readonly reader: EventLogReader;
  readonly processors: readonly PartitionProcessor[];
  readonly progress: RingWriter;
  readonly commitIntervalMs: number;
  readonly fault: ShardFault | null;
  readonly now: () => number;
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

/** Later than any event time that ingest accepts, ms since the epoch (year 9999). */
const END_OF_TIME_MS = 253_402_300_800_000;

/** One partition as the loop keeps it. */
interface Lane {
  readonly processor: PartitionProcessor;
  /** The commit under way. */
  commit: Promise<void> | null;
  committedAtMs: number;
  pauseMs: number;
  /** Not yet reported. */
  commitMs: number;
  committedRows: number;
  counts: ApplyCounts;
  reportedOffset: number;
}

export class ShardLoop {
  readonly #parts: ShardLoopParts;
  readonly #lanes: Lane[];
  readonly #memo: AnswerMemo;
  #stopping = false;
  #failure: Error | null = null;
  #wake: () => void = () => {};
  #applied = 0;
  #catchingUp: Lane | null = null;
  #appended: Promise<void> | null = null;

  constructor(parts: ShardLoopParts) {
    this.#parts = parts;
    this.#memo = new AnswerMemo(parts.processors);
    this.#lanes = parts.processors.map((processor) => ({
      processor,
      commit: null,
      committedAtMs: 0,
      pauseMs: COMMIT_PAUSE_MS_MIN,
      commitMs: 0,
      committedRows: 0,
      counts: newApplyCounts(),
      reportedOffset: -1,
    }));
  }

  /** Whether the shard is broken: nothing more of it is committed. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Runs until `stop`; ends with everything applied committed. Throws what breaks the shard. */
  async run(): Promise<void> {
    try {
      await this.#turn();
    } catch (error) {
      // Memory may hold half a record now: a question must not have it committed.
      this.#failure ??= asError(error);
      throw error;
    }
  }

  async #turn(): Promise<void> {
    while (!this.#stopping) {
      const token = this.#parts.reader.token();
      let worked = false;
      for (const lane of this.#lanes) {
        if (this.#mayPull(lane) && await this.#pull(lane)) worked = true;
        if (this.#failure) throw this.#failure;
        this.#commitIfDue(lane);
        this.#report(lane);
      }
      if (!worked && !this.#stopping) await this.#sleep(token);
      if (this.#failure) throw this.#failure;
    }
    for (const lane of this.#lanes) {
      await this.#startCommit(lane, true);
      if (this.#failure) throw this.#failure;
      this.#report(lane);
    }
  }

  stop(): void {
    this.#stopping = true;
    this.#wake();
  }

  /** Waits for commits under way, so that files can be closed after a failure. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#lanes.map((lane) => lane.commit));
  }

  answer(plan: RollupPlan): Promise<RollupPartial> {
    return this.#memo.answer(plan, {
      settle: async (processor) => {
        const lane = this.#lanes.find((each) => each.processor === processor)!;
        if (lane.commit !== null || processor.hasUncommitted) await this.#startCommit(lane);
        if (this.#failure) throw this.#failure;
      },
      completeUntilMs: (processor) => this.#completeUntilMs(processor),
    });
  }

  /** Rows are as new as the partition's last commit, and the answer says how new that is. */
  async answerUser(partition: number, query: UserEventsQuery): Promise<UserAnswer> {
    const { processor } = this.#lanes.find((each) => each.processor.partition === partition)!;
    const completeUntilMs = processor.hasUncommitted
      ? processor.storedReceivedAtMs
      : this.#completeUntilMs(processor);
    const { store } = processor;
    const totals = await store.userTotals(query.project, query.userId, 0, END_OF_TIME_MS);
    const events = query.limit > 0 ? await store.userEvents(query) : [];
    return { totals, events, completeUntilMs };
  }

  #completeUntilMs(processor: PartitionProcessor): number {
    const caughtUp = this.#parts.reader.highWater(processor.partition) <= processor.nextOffset;
    return caughtUp ? this.#parts.now() : processor.lastReceivedAtMs;
  }

  #lag(lane: Lane): number {
    const { partition, nextOffset } = lane.processor;
    return this.#parts.reader.highWater(partition) - nextOffset;
  }

  /** A log that was lost or replaced is noticed here, not passed over as "nothing new". */
  async checkPlaces(): Promise<void> {
    for (const { processor } of this.#lanes) {
      releaseRecords(await this.#parts.reader.read(processor.partition, processor.nextOffset, 1));
    }
  }

  /**
   * Partitions that are far behind catch up one after the other, a full batch each, so that memory
   * holds one large batch at a time; the others go on meanwhile.
   */
  #mayPull(lane: Lane): boolean {
    if (this.#lag(lane) <= LAG_EVENTS_CATCHING_UP) return true;
    const current = this.#catchingUp;
    if (current === null || this.#lag(current) <= LAG_EVENTS_CATCHING_UP) this.#catchingUp = lane;
    return this.#catchingUp === lane;
  }

  /** Reads and applies the next records of a partition; false when there are none. */
  async #pull(lane: Lane): Promise<boolean> {
    const { processor } = lane;
    if (this.#lag(lane) <= 0) return false;
    if (processor.pendingRows >= COMMIT_ROWS) {
      await this.#startCommit(lane);
      this.#catchingUp = null;
      return true;
    }
    const records = await this.#parts.reader.read(
      processor.partition,
      processor.nextOffset,
      SHARD_READ_BYTES_MAX,
    );
    const nowMs = this.#parts.now();
    for (const record of records) {
      processor.apply(record, nowMs, (code, message, line) => {
        const { partition, offset } = record;
        const bytes = line.length;
        this.#parts.warn("refused a line of the log", { partition, offset, code, message, bytes });
      });
      this.#playFault(processor.counts.processed);
    }
    this.#collect(lane);
    await macrotask();
    return records.length > 0;
  }

  #commitIfDue(lane: Lane): void {
    const { processor } = lane;
    if (lane.commit !== null || !processor.hasUncommitted || this.#stopping) return;
    if (this.#lag(lane) > LAG_EVENTS_CATCHING_UP) return;
    if (this.#dueInMs(lane) <= 0) void this.#startCommit(lane);
  }

  #dueInMs(lane: Lane): number {
    const now = this.#parts.now();
    const rested = lane.committedAtMs + lane.pauseMs - now;
    const latest = lane.processor.pendingSinceMs + this.#parts.commitIntervalMs - now;
    return Math.min(rested, Math.max(0, latest));
  }

  /**
   * Commits once the commit under way has ended: one at a time per partition. Applying and answering
   * go on meanwhile. Never rejects: a failure ends the loop's next step.
   */
  #startCommit(lane: Lane, flush = false): Promise<void> {
    const before = lane.commit ?? Promise.resolve();
    const commit: Promise<void> = before
      .then(() => this.#failure ? undefined : this.#commit(lane, flush))
      .catch((error) => {
        this.#failure ??= asError(error);
      })
      .finally(() => {
        if (lane.commit === commit) lane.commit = null;
        this.#wake();
      });
    lane.commit = commit;
    return commit;
  }

  async #commit(lane: Lane, flush: boolean): Promise<void> {
    const startedMs = performance.now();
    const rows = await lane.processor.commit(this.#parts.now(), flush);
    const tookMs = performance.now() - startedMs;
    lane.commitMs += tookMs;
    lane.committedRows += rows;
    lane.committedAtMs = this.#parts.now();
    lane.pauseMs = Math.min(
      this.#parts.commitIntervalMs,
      Math.max(COMMIT_PAUSE_MS_MIN, tookMs * COMMIT_PAUSE_FACTOR),
    );
  }

  /** Until the log has more, a commit is due or has ended, or the shard is to stop. */
  async #sleep(token: number): Promise<void> {
    let due = Infinity;
    for (const lane of this.#lanes) {
      if (lane.commit === null && lane.processor.hasUncommitted) {
        due = Math.min(due, Math.max(1, this.#dueInMs(lane)));
      }
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (due < Infinity) timer = setTimeout(resolve, due);
    });
    // One wait for the log at a time: a new one per turn would pile up while nothing is appended.
    this.#appended ??= this.#parts.reader.appended(token).finally(() => this.#appended = null);
    if (this.#failure === null) await Promise.race([this.#appended, woken]);
    clearTimeout(timer);
    this.#wake = () => {};
  }

  #playFault(inTurn: number): void {
    const { fault } = this.#parts;
    if (fault === null || this.#applied + inTurn < fault.afterEvents) return;
    if (fault.kind === "throw") throw new Error("fault played on request: shard throws");
    if (fault.kind === "die") {
      setTimeout(() => {
        throw new Error("fault played on request: shard dies");
      });
      return;
    }
    for (;;); // a hang is a thread that never comes back
  }

  #collect(lane: Lane): void {
    const counts = lane.processor.takeCounts();
    this.#applied += counts.processed;
    lane.counts.processed += counts.processed;
    lane.counts.duplicates += counts.duplicates;
    counts.bySeries.forEach((n, series) => {
      lane.counts.bySeries[series] = (lane.counts.bySeries[series] ?? 0) + n;
    });
    for (const [key, n] of counts.rejected) add(lane.counts.rejected, key, n);
  }

  /** Sends a progress frame when there is news; keeps it for the next turn when the ring is full. */
  #report(lane: Lane): void {
    const { processor, counts } = lane;
    const place = processor.nextOffset + processor.storedOffset;
    if (place === lane.reportedOffset && lane.commitMs === 0) return;
    const types = new Map<string, number>();
    counts.bySeries.forEach((count, series) => {
      const entry = processor.series.entry(series);
      if (count > 0 && "project" in entry) add(types, entry.type, count);
    });
    const frame = encodeProgress({
      partition: processor.partition,
      processed: counts.processed,
      duplicates: counts.duplicates,
      evicted: processor.evicted,
      appliedOffset: processor.nextOffset,
      storedOffset: processor.storedOffset,
      watermarkMs: processor.watermarkMs,
      lastReceivedAtMs: processor.lastReceivedAtMs,
      commitMs: lane.commitMs,
      committedRows: lane.committedRows,
      types,
      refusals: counts.rejected,
    });
    if (!this.#parts.progress.tryWrite(PROGRESS_FRAME, frame)) return;
    lane.reportedOffset = place;
    lane.commitMs = 0;
    lane.committedRows = 0;
    lane.counts = newApplyCounts();
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function add<Key>(counts: Map<Key, number>, key: Key, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n);
}
