/**
 * One partition as a shard's loop keeps it: its processor, the commit under way, the lines
 * to be set aside with the next commit, and what the main thread has not been told yet.
 */
import { COMMIT_PAUSE_FACTOR, COMMIT_PAUSE_MS_MIN } from "../lib/config/limits.ts";
import type { EventLogReader, LogRecord } from "../lib/log/event_log.ts";
import { type ApplyCounts, newApplyCounts } from "../lib/process/apply_record.ts";
import type { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { encodeProgress } from "../lib/process/progress_frame.ts";
import { WaitingTraces } from "../lib/telemetry/tracing.ts";
import type { Suspect } from "./protocol.ts";
import type { SetAside } from "./set_aside.ts";

/** A lag that grows without anything being processed is told this often, ms. */
const LAG_REPORT_MS = 1_000;
/** How often a lane that works tells its progress unless it commits, ms. */
const PROGRESS_MS = 50;
/** How much a new record moves the mean number of events per offset. */
const MEAN_WEIGHT = 0.1;

export class Lane {
  /** The commit under way. */
  commit: Promise<void> | null = null;
  /** It is to be closed: nothing more is pulled. */
  leaving = false;
  /** Not reported yet. */
  commitMs = 0;
  committedRows = 0;
  counts: ApplyCounts = newApplyCounts();
  /** Of records that wait for a commit. */
  readonly traces = new WaitingTraces();
  #committedAtMs = 0;
  /** How long the next commit rests after the last one, ms. */
  #pauseMs = COMMIT_PAUSE_MS_MIN;
  #reportedPlace = -1;
  #reportedHighWater = -1;
  #reportedAtMs = 0;
  #eventsPerOffset = 1;

  constructor(
    readonly processor: PartitionProcessor,
    readonly suspect: Suspect | null,
    readonly aside: SetAside,
  ) {}

  get partition(): number {
    return this.processor.partition;
  }

  /** Whether what comes next may be what failed the shard before. */
  get isNearSuspect(): boolean {
    return this.suspect !== null && this.processor.nextOffset < this.suspect.nextOffset;
  }

  /** Events that wait in the log, near enough: an offset may stand for many. */
  lagEvents(reader: EventLogReader): number {
    const offsets = reader.highWater(this.partition) - this.processor.nextOffset;
    return offsets * this.#eventsPerOffset;
  }

  /** Learns from a record how many events an offset stands for. */
  measure(record: LogRecord): void {
    // Never nothing, whatever its producer says: a lag that comes to nothing is not read.
    const mean = Math.max(1, record.events) / (record.nextOffset - record.offset);
    this.#eventsPerOffset += (mean - this.#eventsPerOffset) * MEAN_WEIGHT;
  }

  /** Takes over what the processor counted; returns how many events were processed. */
  collect(): number {
    const counts = this.processor.takeCounts();
    this.counts.processed += counts.processed;
    this.counts.duplicates += counts.duplicates;
    counts.bySeries.forEach((n, series) => {
      this.counts.bySeries[series] = (this.counts.bySeries[series] ?? 0) + n;
    });
    for (const [key, n] of counts.rejected) add(this.counts.rejected, key, n);
    return counts.processed;
  }

  /** A commit has ended that took this long. */
  committed(rows: number, tookMs: number, nowMs: number): void {
    this.commitMs += tookMs;
    this.committedRows += rows;
    this.#committedAtMs = nowMs;
    this.#pauseMs = Math.max(COMMIT_PAUSE_MS_MIN, tookMs * COMMIT_PAUSE_FACTOR);
  }

  /** Time until the next commit is due, ms; `intervalMs` is the longest that an event may wait. */
  commitDueInMs(nowMs: number, intervalMs: number): number {
    const rested = this.#committedAtMs + Math.min(intervalMs, this.#pauseMs) - nowMs;
    const latest = this.processor.pendingSinceMs + intervalMs - nowMs;
    return Math.min(rested, Math.max(0, latest));
  }

  /** A commit is told at once, small steps of applying now and then. */
  reportIsDue(nowMs: number): boolean {
    return this.commitMs > 0 || Math.abs(nowMs - this.#reportedAtMs) >= PROGRESS_MS;
  }

  /** The progress frame to send; null when there is no news. A growing lag alone is news at times. */
  progress(reader: EventLogReader, nowMs: number): Uint8Array | null {
    const { processor, counts } = this;
    const highWater = reader.highWater(this.partition);
    const place = processor.nextOffset + processor.storedOffset;
    const isCaughtUp = highWater <= processor.nextOffset;
    const isLate = highWater !== this.#reportedHighWater &&
      (isCaughtUp || nowMs - this.#reportedAtMs >= LAG_REPORT_MS);
    if (place === this.#reportedPlace && this.commitMs === 0 && !isLate) return null;
    const types = new Map<string, number>();
    counts.bySeries.forEach((count, series) => {
      const entry = processor.series.entry(series);
      if (count > 0 && "project" in entry) add(types, entry.type, count);
    });
    return encodeProgress({
      partition: processor.partition,
      processed: counts.processed,
      duplicates: counts.duplicates,
      evicted: processor.evicted,
      highWater,
      appliedOffset: processor.nextOffset,
      storedOffset: processor.storedOffset,
      watermarkMs: processor.watermarkMs,
      lastReceivedAtMs: processor.lastReceivedAtMs,
      commitMs: this.commitMs,
      committedRows: this.committedRows,
      types,
      refusals: counts.rejected,
      deadLetters: this.aside.putCounts,
    });
  }

  /** The frame was sent: what it told is not told again. */
  reported(reader: EventLogReader, nowMs: number): void {
    this.#reportedAtMs = nowMs;
    this.#reportedPlace = this.processor.nextOffset + this.processor.storedOffset;
    this.#reportedHighWater = reader.highWater(this.partition);
    this.commitMs = 0;
    this.committedRows = 0;
    this.counts = newApplyCounts();
    this.aside.forgetPut();
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n);
}
