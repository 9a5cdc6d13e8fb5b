/**
 * Counts what a peer makes a server do to no end, and sends it away when that is too much: streams
 * that are begun only to be reset, by the peer (CVE-2023-44487) or by us because of what it sends
 * (CVE-2025-8671), and frames that carry nothing, such as pings and settings.
 */
import {
  H2_IDLE_FRAMES_MAX,
  H2_IDLE_FRAMES_PERIOD_MS,
  H2_RESETS_MAX,
} from "../config/grpc_limits.ts";
import { ConnectionError } from "./connection_error.ts";
import { ENHANCE_YOUR_CALM } from "./frames.ts";

export class FloodGuard {
  #opened = 0;
  #resets = 0;
  #idleFrames = 0;
  #periodEndMs = 0;

  /** A stream was begun. */
  opened(): void {
    this.#opened++;
  }

  /** A stream was reset by the peer, or had to be. Throws ConnectionError. */
  reset(): void {
    if (++this.#resets > H2_RESETS_MAX + this.#opened / 2) {
      throw new ConnectionError(ENHANCE_YOUR_CALM, "too many streams are reset");
    }
  }

  /** A frame came that carries nothing. Throws ConnectionError. */
  idleFrame(nowMs: number = performance.now()): void {
    if (nowMs >= this.#periodEndMs) {
      this.#idleFrames = 0;
      this.#periodEndMs = nowMs + H2_IDLE_FRAMES_PERIOD_MS;
    }
    if (++this.#idleFrames > H2_IDLE_FRAMES_MAX) {
      throw new ConnectionError(ENHANCE_YOUR_CALM, "too many frames carry nothing");
    }
  }
}
