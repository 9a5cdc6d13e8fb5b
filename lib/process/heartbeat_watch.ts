/**
 * Tells from a heartbeat that a worker counts up in shared memory whether its event loop turns.
 *
 * A look that comes late itself says nothing of the worker: the whole process was stopped (SIGSTOP,
 * a suspended laptop, a paused virtual machine), and this thread woke first.
 */
import { HANG_MS } from "../config/limits.ts";

/** Looks further apart than this begin anew, ms; they are HEARTBEAT_MS apart when all is well. */
const LATE_LOOK_MS = HANG_MS / 2;

/** Watches one worker. */
export class HeartbeatWatch {
  readonly #beats: Int32Array;
  readonly #index: number;
  #beat = 0;
  #beatAtMs = -Infinity;
  #lookedAtMs = -Infinity;

  /** @param health where workers count, one int32 each */
  constructor(health: SharedArrayBuffer, index: number) {
    this.#beats = new Int32Array(health);
    this.#index = index;
  }

  /**
   * Looks whether the worker hangs; to be called every HEARTBEAT_MS.
   *
   * @param nowMs a clock in ms that never jumps back
   */
  hangs(nowMs: number): boolean {
    const beat = Atomics.load(this.#beats, this.#index);
    const isLate = nowMs - this.#lookedAtMs > LATE_LOOK_MS;
    this.#lookedAtMs = nowMs;
    if (beat !== this.#beat || isLate) {
      this.#beat = beat;
      this.#beatAtMs = nowMs;
    }
    return nowMs - this.#beatAtMs >= HANG_MS;
  }

  /** The worker is given HANG_MS from now on: it has just started, or another one has. */
  startAnew(nowMs: number): void {
    this.#beatAtMs = nowMs;
    this.#lookedAtMs = nowMs;
  }
}
