/**
 * What a shard commits, on its way to live answers (lib/live): once a second as frames to the main
 * thread of this process, and on Kafka to the topic metrics-data, for the other processes.
 */
import assert from "node:assert/strict";
import { LIVE_END_MS_MAX, LIVE_RING_BYTES_MAX } from "../lib/config/limits.ts";
import { LiveCollector, type LiveFrame } from "../lib/live/live_collector.ts";
import type { LiveOrder } from "../lib/live/live_definition.ts";
import type { LivePartialInput } from "../lib/live/live_partial.ts";
import type { Committed, PartitionProcessor } from "../lib/process/partition_processor.ts";
import { LIVE_FRAME } from "../lib/process/progress_frame.ts";
import type { RingWriter } from "../lib/ring/ring.ts";
import { PulseFeed } from "./pulse_feed.ts";

export interface LiveFeedParts {
  /** To the main thread. */
  readonly ring: RingWriter;
  /** Puts frames on the topic; null = there is none. Rejects when it can't. */
  readonly publish: ((frames: readonly LiveFrame[]) => Promise<void>) | null;
  /** Everything received before this is counted, by partition, ms since the epoch. */
  readonly completeUntilMs: (partition: number) => number;
  /** Everything received before this is applied, committed or not. */
  readonly appliedUntilMs: (processor: PartitionProcessor) => number;
  readonly now: () => number;
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

export class LiveFeed {
  readonly #parts: LiveFeedParts;
  readonly #collector = new LiveCollector(LIVE_RING_BYTES_MAX);
  readonly #processors = new Map<number, PartitionProcessor>();
  readonly #pulse: PulseFeed;
  #publishing: Promise<void> = Promise.resolve();
  #isPublishing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(parts: LiveFeedParts) {
    this.#parts = parts;
    this.#pulse = new PulseFeed({
      ring: parts.ring,
      completeUntilMs: (partition) => parts.appliedUntilMs(this.#processors.get(partition)!),
      unpublished: () => [...this.#processors.values()].map((each) => this.#unpublished(each)),
      now: parts.now,
    });
  }

  /** What live streams want to know from now on. */
  order(orders: readonly LiveOrder[]): void {
    this.#pulse.order(orders);
  }

  /** Begins with a partition at its place in the store. */
  open(processor: PartitionProcessor): void {
    const { series, storedOffset, partition } = processor;
    this.#collector.open(partition, storedOffset, (id) => {
      const entry = series.entry(id);
      assert.ok("project" in entry, "changes are those of types");
      return { project: entry.project.name, type: entry.type };
    });
    this.#processors.set(partition, processor);
    this.#pulse.open(processor);
    this.#schedule();
  }

  note(partition: number, committed: Committed): void {
    this.#collector.note(partition, committed);
    this.#processors.get(partition)?.forgetCommitDelta();
    this.#schedule();
  }

  /** Passes on what is left of a partition. */
  close(partition: number): void {
    const { now, completeUntilMs } = this.#parts;
    this.#pulse.close(partition);
    this.#processors.delete(partition);
    this.#pass(this.#collector.close(partition, now(), completeUntilMs(partition)));
  }

  /**
   * Resolves when nothing is under way any more. Where the topic is away the last partials are left
   * behind: they are worth no delay of the end, which others wait for.
   */
  async end(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#pulse.end();
    let tooLong: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      tooLong = setTimeout(() => resolve(true), LIVE_END_MS_MAX);
    });
    const isLate = await Promise.race([late, this.#publishing.then(() => false)]);
    clearTimeout(tooLong);
    if (isLate) this.#parts.warn("live partials are left behind", { waitedMs: LIVE_END_MS_MAX });
  }

  #schedule(): void {
    if (this.#closed || this.#isPublishing) return;
    clearTimeout(this.#timer);
    const dueMs = this.#collector.dueInMs(this.#parts.now());
    if (dueMs < Infinity) this.#timer = setTimeout(() => this.#takeDue(), dueMs);
  }

  #takeDue(): void {
    const { now, completeUntilMs } = this.#parts;
    // What a second's end finds unpublished must not have been published after it.
    this.#pulse.advance();
    this.#pass(this.#collector.takeDue(now(), completeUntilMs));
    this.#schedule();
  }

  /** What of a partition was applied, committed or not, and not passed on yet. */
  #unpublished(processor: PartitionProcessor): LivePartialInput {
    const { partition, nextOffset } = processor;
    const { deltas, seriesOf, toOffset } = this.#collector.waiting(partition);
    return {
      partition,
      fromOffset: 0,
      toOffset: Math.max(1, nextOffset),
      publishedAtMs: 0,
      firstReceivedAtMs: 0,
      lastReceivedAtMs: 0,
      completeUntilMs: 0,
      deltas: [...deltas, ...processor.deltasAfter(toOffset)],
      seriesOf,
    };
  }

  /** Live answers may lack what can't be passed on; its offsets show readers that it is missing. */
  #pass(frames: readonly LiveFrame[]): void {
    if (frames.length === 0) return;
    for (const { bytes } of frames) this.#parts.ring.tryWrite(LIVE_FRAME, bytes);
    const { publish, warn } = this.#parts;
    if (publish === null) return;
    this.#isPublishing = true;
    this.#publishing = this.#publishing.then(() => publish(frames)).catch((error) => {
      warn("live partials can't be published", { frames: frames.length, err: error });
    }).finally(() => {
      this.#isPublishing = false;
      this.#schedule();
    });
  }
}
