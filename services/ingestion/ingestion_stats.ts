/**
 * What ingestion has done since it started: the `messages_*` members of `/health` and `/stats`.
 */
import { RateMeter } from "../../lib/telemetry/rate_meter.ts";

/** Members of the contract, section 1. */
export interface IngestionSnapshot {
  /** Events that were accepted. */
  readonly messages_sent: number;
  /** Events that were refused, and those of requests that failed. */
  readonly messages_error: number;
  /** Mean time from the whole body to the answer, ms. */
  readonly avg_latency_ms: number;
  /** Events accepted per second, over the last 10 s. */
  readonly throughput_per_sec: number;
}

export class IngestionStats {
  readonly #rate: RateMeter;
  #sent = 0;
  #errors = 0;
  #requests = 0;
  #latencyMs = 0;

  constructor(nowMs: number) {
    this.#rate = new RateMeter(nowMs);
  }

  /** Events of one request were accepted, `latencyMs` after its body had come. */
  accepted(events: number, latencyMs: number, nowMs: number): void {
    this.#sent += events;
    this.#requests++;
    this.#latencyMs += latencyMs;
    this.#rate.add(events, nowMs);
  }

  /** Events were refused, or failed. */
  failed(events: number): void {
    this.#errors += events;
  }

  snapshot(nowMs: number): IngestionSnapshot {
    const mean = this.#requests === 0 ? 0 : this.#latencyMs / this.#requests;
    return {
      messages_sent: this.#sent,
      messages_error: this.#errors,
      avg_latency_ms: Math.round(mean * 1000) / 1000,
      throughput_per_sec: Math.round(this.#rate.perSecond(nowMs) * 10) / 10,
    };
  }
}
