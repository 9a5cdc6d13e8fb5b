/**
 * The clock of live streams in a shard: ends their seconds on time (lib/live/live_pulse.ts), also
 * when nothing is applied, and tries again soon where the ring to the main thread has no room.
 */
import { LIVE_RING_BYTES_MAX, LIVE_TAIL_MS } from "../lib/config/limits.ts";
import type { LiveOrder } from "../lib/live/live_definition.ts";
import { LivePulse, type LivePulseParts } from "../lib/live/live_pulse.ts";
import type { PartitionProcessor } from "../lib/process/partition_processor.ts";
import type { RingWriter } from "../lib/ring/ring.ts";

const SECOND_MS = 1_000;
/** When the ring is looked at again that had no room, ms. */
const RETRY_MS = 10;

export interface PulseFeedParts extends Pick<LivePulseParts, "completeUntilMs" | "unpublished"> {
  /** To the main thread. */
  readonly ring: RingWriter;
  readonly now: () => number;
}

export class PulseFeed {
  readonly #pulse: LivePulse;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ ring, now, completeUntilMs, unpublished }: PulseFeedParts) {
    this.#now = now;
    this.#pulse = new LivePulse({
      write: (kind, payload) => ring.tryWrite(kind, payload),
      completeUntilMs,
      unpublished,
      partialBytesMax: LIVE_RING_BYTES_MAX,
    });
  }

  open(processor: PartitionProcessor): void {
    this.#pulse.open(processor.partition, () => processor.nextOffset);
    processor.tap = this.#pulse;
  }

  close(partition: number): void {
    this.#pulse.close(partition);
  }

  /** What is wanted from now on; nothing costs nothing. */
  order(orders: readonly LiveOrder[]): void {
    this.#pulse.order(orders, this.#now());
    this.#pass();
  }

  advance(): void {
    this.#pulse.advance(this.#now());
  }

  /** The last of what was counted. */
  end(): void {
    clearTimeout(this.#timer);
    this.#pulse.stop(this.#now());
  }

  #pass(): void {
    clearTimeout(this.#timer);
    const nowMs = this.#now();
    this.#pulse.advance(nowMs);
    const isAllPassed = this.#pulse.flush();
    if (!this.#pulse.isWatching) return;
    const secondMs = SECOND_MS - nowMs % SECOND_MS;
    const restMs = this.#pulse.hasTail ? Math.min(LIVE_TAIL_MS, secondMs) : secondMs;
    this.#timer = setTimeout(() => this.#pass(), isAllPassed ? restMs : RETRY_MS);
  }
}
