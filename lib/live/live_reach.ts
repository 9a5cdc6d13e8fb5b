/**
 * How far the shards have come for live streams, by the ticks that they tell at the end of each
 * second: which seconds all have told of, since when which partition is silent, and what was counted
 * and lost on the way, as when a shard failed within a record.
 */
import { LIVE_SILENT_MS, LIVE_STRETCHES_MAX, LIVE_WINDOW_SECONDS_MAX } from "../config/limits.ts";
import type { LiveGap } from "./live_coverage.ts";
import type { PulseTick } from "./pulse_frames.ts";

const SECOND_MS = 1_000;

interface Partition {
  /** Everything before this offset was counted, or is told as a gap. */
  to: number;
  /** The last second that it was told in. */
  second: number;
  completeUntilMs: number;
}

interface NotedGap extends LiveGap {
  readonly second: number;
}

/** What a window lacks. */
export interface WindowReach {
  /** Partitions whose last second was not told. */
  readonly missing: readonly number[];
  /** Partitions that are more than LIVE_SILENT_MS behind their log. */
  readonly behind: readonly number[];
  readonly gaps: readonly LiveGap[];
  /** Everything received before this is counted; 0 = a partition is unknown. */
  readonly completeUntilMs: number;
}

export class LiveReach {
  readonly #shards = new Map<number, number>();
  readonly #partitions = new Map<number, Partition>();
  #gaps: NotedGap[] = [];

  /** By partition: before which offset everything was counted for every definition. */
  get countedTo(): [partition: number, offset: number][] {
    return [...this.#partitions].map(([partition, { to }]) => [partition, to]);
  }

  tick(shard: number, { second, ranges }: PulseTick): void {
    this.#shards.set(shard, Math.max(second, this.#shards.get(shard) ?? 0));
    for (const { partition, from, to, completeUntilMs } of ranges) {
      const known = this.#partitions.get(partition);
      if (known !== undefined && from > known.to) {
        this.#gaps.push({ partition, fromOffset: known.to, toOffset: from, second });
      }
      this.#partitions.set(partition, {
        to: Math.max(to, known?.to ?? 0),
        second: Math.max(second, known?.second ?? 0),
        completeUntilMs: Math.max(completeUntilMs, known?.completeUntilMs ?? 0),
      });
    }
    const oldest = second - LIVE_WINDOW_SECONDS_MAX;
    this.#gaps = this.#gaps.filter((gap) => gap.second >= oldest).slice(-LIVE_STRETCHES_MAX);
  }

  /** Whether so many shards have told of this second. */
  isHeardBy(shards: number, second: number): boolean {
    let heard = 0;
    for (const last of this.#shards.values()) if (last >= second) heard++;
    return heard >= shards;
  }

  /** What a window of the seconds from .. to lacks, of so many partitions. */
  window(from: number, to: number, partitions: number): WindowReach {
    const missing: number[] = [];
    const behind: number[] = [];
    const endMs = (to + 1) * SECOND_MS;
    let completeUntilMs = endMs;
    for (let partition = 0; partition < partitions; partition++) {
      const known = this.#partitions.get(partition);
      const untilMs = known?.completeUntilMs ?? 0;
      if (known === undefined || known.second < to) missing.push(partition);
      else if (endMs - untilMs > LIVE_SILENT_MS) behind.push(partition);
      completeUntilMs = Math.min(completeUntilMs, untilMs);
    }
    const gaps = this.#gaps.filter(({ second }) => second >= from && second <= to)
      .map(({ partition, fromOffset, toOffset }) => ({ partition, fromOffset, toOffset }));
    return { missing, behind, gaps, completeUntilMs };
  }

  /** Nobody counts any more: what comes next begins anew. */
  clear(): void {
    this.#shards.clear();
    this.#partitions.clear();
  }
}
