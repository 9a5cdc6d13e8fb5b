/**
 * What a shard commits, on its way to live answers (lib/live): once a second as frames to the main
 * thread of this process, and on Kafka to the topic metrics-data, for the other processes.
 */
import assert from "node:assert/strict";
import { LIVE_END_MS_MAX, LIVE_RING_BYTES_MAX } from "../lib/config/limits.ts";
import { LiveCollector, type LiveFrame } from "../lib/live/live_collector.ts";
import type { Committed, PartitionProcessor } from "../lib/process/partition_processor.ts";
import { LIVE_FRAME } from "../lib/process/progress_frame.ts";
import type { RingWriter } from "../lib/ring/ring.ts";

export interface LiveFeedParts {
  /** To the main thread. */
  readonly ring: RingWriter;
  /** Puts frames on the topic; null = there is none. Rejects when it can't. */
  readonly publish: ((frames: readonly LiveFrame[]) => Promise<void>) | null;
  /** Everything received before this is counted, by partition, ms since the epoch. */
  readonly completeUntilMs: (partition: number) => number;
  readonly now: () => number;
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

export class LiveFeed {
  readonly #parts: LiveFeedParts;
  readonly #collector = new LiveCollector(LIVE_RING_BYTES_MAX);
  #publishing: Promise<void> = Promise.resolve();
  #isPublishing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(parts: LiveFeedParts) {
    this.#parts = parts;
  }

  /** Begins with a partition at its place in the store. */
  open(processor: PartitionProcessor): void {
    const { series, storedOffset, partition } = processor;
    this.#collector.open(partition, storedOffset, (id) => {
      const entry = series.entry(id);
      assert.ok("project" in entry, "changes are those of types");
      return { project: entry.project.name, type: entry.type };
    });
    this.#schedule();
  }

  note(partition: number, committed: Committed): void {
    this.#collector.note(partition, committed);
    this.#schedule();
  }

  /** Passes on what is left of a partition. */
  close(partition: number): void {
    const { now, completeUntilMs } = this.#parts;
    this.#pass(this.#collector.close(partition, now(), completeUntilMs(partition)));
  }

  /**
   * Resolves when nothing is under way any more. Where the topic is away the last partials are left
   * behind: they are worth no delay of the end, which others wait for.
   */
  async end(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
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
    this.#pass(this.#collector.takeDue(now(), completeUntilMs));
    this.#schedule();
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
