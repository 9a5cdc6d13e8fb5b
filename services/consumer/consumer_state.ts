/**
 * What the consumer role knows of itself, from the progress frames of its shards: counters for
 * Prometheus, `/stats` and `/lag`, and how far the store has come in each partition.
 */
import type { Progress } from "../../lib/process/progress_frame.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import { RateMeter } from "../../lib/telemetry/rate_meter.ts";
import type { ConsumerStats } from "./http.ts";

const EVENT_TYPE_ALL = "batch";

export interface ConsumerStateOptions {
  /** Topic and group that the metrics of lag carry, on the embedded log too. */
  readonly topic: string;
  readonly group: string;
  readonly metrics: Metrics;
  /** Next offset of a partition in the log, where it is known without the shards; else null. */
  readonly highWater: (partition: number) => number | null;
  readonly now: () => number;
}

export class ConsumerState {
  readonly #options: ConsumerStateOptions;
  readonly #rate: RateMeter;
  /** Of the partitions that run here. */
  readonly #latest = new Map<number, Progress>();
  #processed = 0;
  #duplicates = 0;
  #failed = 0;
  #deadLetters = 0;
  #commitMs = 0;
  #committedRows = 0;
  #lastMessageMs = 0;

  constructor(options: ConsumerStateOptions) {
    this.#options = options;
    this.#rate = new RateMeter(options.now());
  }

  /** Takes in one progress frame. */
  update(progress: Progress): void {
    const { metrics, now } = this.#options;
    this.#latest.set(progress.partition, progress);
    this.#processed += progress.processed;
    this.#duplicates += progress.duplicates;
    if (progress.processed > 0) this.#lastMessageMs = now();
    this.#rate.add(progress.processed, now());
    for (const [type, count] of progress.types) {
      metrics.eventCounts.add("consumer", "success", type, count);
    }
    if (progress.duplicates > 0) {
      metrics.eventCounts.add("consumer", "duplicate", EVENT_TYPE_ALL, progress.duplicates);
    }
    for (const [reason, count] of progress.refusals) {
      this.#failed += count;
      metrics.eventCounts.addRejected("consumer", count);
      metrics.errors.inc({ service: "consumer", error_type: reason }, count);
    }
    for (const [reason, count] of progress.deadLetters) {
      this.#deadLetters += count;
      metrics.deadLetters.inc({ reason }, count);
    }
    if (progress.commitMs === 0) return;
    this.#commitMs += progress.commitMs;
    this.#committedRows += progress.committedRows;
    metrics.manualCommits.inc();
    metrics.committedRows.inc(progress.committedRows);
    metrics.commitDuration.observe(progress.commitMs / 1000);
    if (progress.committedRows > 0) {
      const seconds = progress.commitMs / 1000 / progress.committedRows;
      metrics.eventDuration.observe({ service: "consumer", event_type: EVENT_TYPE_ALL }, seconds);
    }
  }

  /** Forgets partitions that run here no longer. */
  keep(partitions: readonly number[]): void {
    for (const partition of this.#latest.keys()) {
      if (partitions.includes(partition)) continue;
      this.#latest.delete(partition);
      this.#options.metrics.logLag.remove(this.#labelsOf(String(partition)));
    }
  }

  /** Where the store would have the log read on, by partition; 0 where nothing was heard yet. */
  storedOffsets(partitions: number): number[] {
    return Array.from({ length: partitions }, (_, partition) => (
      this.#latest.get(partition)?.storedOffset ?? 0
    ));
  }

  /** Brings the gauges up to date; called before metrics are read and now and then. */
  refreshGauges(): void {
    const { metrics, now } = this.#options;
    const evicted = [...this.#latest.values()].reduce((sum, { evicted }) => sum + evicted, 0);
    metrics.evicted.set(evicted);
    metrics.completeUntil.set(this.#completeUntilMs() / 1000);
    metrics.processingRate.set(this.#rate.perSecond(now()));
    for (const [partition, lag] of this.#lags()) {
      metrics.logLag.set(this.#labelsOf(partition), lag);
    }
  }

  /** `lag` of the contract: by topic and partition, in offsets. */
  lag(): Record<string, Record<string, number>> {
    return { [this.#options.topic]: Object.fromEntries(this.#lags()) };
  }

  /** `consumer` and `stream` of the contract's /stats. */
  stats(): ConsumerStats & { consumer: { duplicate_events: number } } {
    const rate = this.#rate.perSecond(this.#options.now());
    const averageMs = this.#committedRows === 0 ? 0 : this.#commitMs / this.#committedRows;
    return {
      consumer: {
        processed_events: this.#processed,
        failed_events: this.#failed,
        retried_events: 0,
        dlq_events: this.#deadLetters,
        duplicate_events: this.#duplicates,
        processing_rate: rate,
        avg_processing_ms: averageMs,
        last_message_time: this.#lastMessageMs === 0
          ? null
          : new Date(this.#lastMessageMs).toISOString(),
      },
      stream: {
        events_processed: this.#processed,
        events_filtered: this.#duplicates,
        events_error: this.#failed,
        avg_latency_ms: averageMs,
        throughput_per_sec: rate,
      },
    };
  }

  /** Events between the end of the log and the store, of all partitions. */
  get totalLag(): number {
    return this.#lags().reduce((sum, [, lag]) => sum + lag, 0);
  }

  /** Now, if all partitions have caught up; else what the one furthest behind has received. */
  #completeUntilMs(): number {
    const { now } = this.#options;
    return [...this.#latest.values()].reduce((least, progress) => {
      const caughtUp = progress.appliedOffset >= this.#highWater(progress);
      return Math.min(least, caughtUp ? now() : progress.lastReceivedAtMs);
    }, now());
  }

  #highWater({ partition, highWater }: Progress): number {
    return this.#options.highWater(partition) ?? highWater;
  }

  #lags(): [string, number][] {
    return [...this.#latest.values()].sort((a, b) => a.partition - b.partition).map((progress) => {
      const lag = this.#highWater(progress) - progress.storedOffset;
      return [String(progress.partition), Math.max(0, lag)];
    });
  }

  #labelsOf(partition: string) {
    const { topic, group } = this.#options;
    return { topic, partition, consumer_group: group };
  }
}
