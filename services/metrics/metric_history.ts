/**
 * The last hour of the process's own metrics: a sample of every series each METRIC_SAMPLE_MS, so that
 * ranges and aggregations mean something without a Prometheus beside it.
 *
 *     series -> METRIC_SAMPLES_MAX values in a circle; NaN = the series was not there
 *
 * Buckets of histograms are left out: they are many, and nobody aggregates them one by one.
 */
import { METRIC_SAMPLES_MAX, METRIC_SERIES_MAX } from "../../lib/config/grpc_limits.ts";
import type { MetricValue } from "./metric_values.ts";

/** One series and its samples. */
interface KeptSeries {
  readonly head: Omit<MetricValue, "value" | "timestamp">;
  readonly values: Float64Array;
}

/** A series with what it was in a range, oldest first. */
export interface SampledSeries {
  readonly head: Omit<MetricValue, "value" | "timestamp">;
  readonly values: readonly number[];
  /** Time of the last of them, ms since the epoch. */
  readonly lastMs: number;
}

export class MetricHistory {
  readonly #series = new Map<string, KeptSeries>();
  /** Ms since the epoch of each place in the circle; 0 = none yet. */
  readonly #times = new Float64Array(METRIC_SAMPLES_MAX);
  #at = 0;
  #leftOut = 0;

  /** Series that found no room in the last sample. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Keeps one sample; the oldest goes. */
  add(values: readonly MetricValue[], nowMs: number): void {
    const at = this.#at;
    this.#at = (at + 1) % METRIC_SAMPLES_MAX;
    this.#times[at] = nowMs;
    this.#leftOut = 0;
    for (const { values } of this.#series.values()) values[at] = NaN;
    for (const { value, timestamp: _, ...head } of values) {
      if ("le" in head.labels) continue;
      const key = keyOf(head);
      let series = this.#series.get(key);
      if (series === undefined) {
        if (this.#series.size >= METRIC_SERIES_MAX) {
          this.#leftOut++;
          continue;
        }
        series = { head, values: new Float64Array(METRIC_SAMPLES_MAX).fill(NaN) };
        this.#series.set(key, series);
      }
      series.values[at] = value;
    }
  }

  /** The series of these names with samples in [startMs, endMs). None named = all. */
  between(names: readonly string[], startMs: number, endMs: number): SampledSeries[] {
    const found: SampledSeries[] = [];
    for (const { head, values } of this.#series.values()) {
      if (names.length > 0 && !names.includes(head.name)) continue;
      const inside: number[] = [];
      let lastMs = 0;
      for (let i = 0; i < METRIC_SAMPLES_MAX; i++) {
        const place = (this.#at + i) % METRIC_SAMPLES_MAX;
        const timeMs = this.#times[place];
        if (timeMs < startMs || timeMs >= endMs || Number.isNaN(values[place])) continue;
        inside.push(values[place]);
        lastMs = timeMs;
      }
      if (inside.length > 0) found.push({ head, values: inside, lastMs });
    }
    return found;
  }
}

function keyOf({ name, labels }: Pick<MetricValue, "name" | "labels">): string {
  return `${name}\n${JSON.stringify(Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1))}`;
}
