/**
 * One window over one tally, for all readers who asked for the same: makes its frame once a second,
 * keeps the last ones, and gives each reader its place among them.
 *
 *     kept frames   ... 41 42 43 44 45
 *                          ^        ^ a reader that keeps up
 *                          a reader that came back with 41 is given 42 .. 45, then what comes
 *
 * A reader that is more than LIVE_BEHIND_FRAMES_MAX behind, and does not catch up after coming back,
 * skips to the newest frame and is told how many it missed.
 */

import {
  LIVE_BEHIND_FRAMES_MAX,
  LIVE_REPLAY_CHARS_MAX,
  LIVE_REPLAY_FRAMES_MAX,
} from "../../lib/config/limits.ts";
import type { LiveReach } from "../../lib/live/live_reach.ts";
import type { LiveTally } from "../../lib/live/live_tally.ts";
import { type FrameOrder, makeFrame, windowIdOf } from "./live_frame.ts";
import type { LivePlace, LiveUpdate, WindowUpdate } from "./live_reader.ts";
import type { LiveStreamJson } from "./live_stream_json.ts";

/** What readers of a view have in common. */
export type ViewOrder = Pick<FrameOrder, "windowSeconds" | "topName" | "topLimit">;

interface KeptFrame {
  readonly endSecond: number;
  readonly update: WindowUpdate<LiveStreamJson>;
}

export class LiveView {
  readonly order: ViewOrder;
  readonly tally: LiveTally;
  #frames: KeptFrame[] = [];
  #chars = 0;
  #waiting: (() => void)[] = [];
  /** Open places. */
  readers = 0;
  /** When the last reader left, ms since the epoch. */
  leftAtMs = 0;

  constructor(tally: LiveTally, order: ViewOrder) {
    this.tally = tally;
    this.order = order;
  }

  /** Makes the frame of the window that ends before this second. */
  push(endSecond: number, reach: LiveReach, partitions: number): void {
    const answer = makeFrame(this.tally, reach, { ...this.order, endSecond, partitions });
    const text = JSON.stringify(answer);
    const update = { kind: "window", id: answer.window_id, answer, text } as const;
    if ((this.#frames.at(-1)?.endSecond ?? 0) >= endSecond) {
      // The clock was set back.
      this.#frames = [];
      this.#chars = 0;
    }
    this.#frames.push({ endSecond, update });
    this.#chars += text.length;
    while (
      this.#frames.length > LIVE_REPLAY_FRAMES_MAX ||
      (this.#chars > LIVE_REPLAY_CHARS_MAX && this.#frames.length > 1)
    ) this.#chars -= this.#frames.shift()!.update.text.length;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /**
   * A place for a reader; after the frame that ended at `afterSecond`, null = the next one to come.
   * `nextSecond` is where the next frame ends.
   */
  place(
    afterSecond: number | null,
    nextSecond: number,
    left: () => void,
  ): LivePlace<LiveStreamJson> {
    this.readers++;
    // Nobody can have had a frame that is still to come: a clock was set back.
    let at = Math.min(afterSecond === null ? nextSecond : afterSecond + 1, nextSecond);
    let last = afterSecond === null ? null : windowIdOf(this.order.windowSeconds, at - 1);
    const replayed = nextSecond;
    return {
      take: (): LiveUpdate<LiveStreamJson> | null => {
        const newest = this.#frames.at(-1)?.endSecond ?? at;
        if (newest < at - 1) at = newest;
        const first = this.#frames.findIndex(({ endSecond }) => endSecond >= at);
        if (first < 0) return null;
        const behind = this.#frames.length - first;
        const skips = at >= replayed && behind > LIVE_BEHIND_FRAMES_MAX;
        const { endSecond, update } = skips ? this.#frames.at(-1)! : this.#frames[first];
        if (endSecond > at) {
          const missed = endSecond - at;
          at = endSecond;
          return { kind: "missed", missed, after: last };
        }
        at = endSecond + 1;
        last = update.id;
        return update;
      },
      whenNews: (wake) => this.#waiting.push(wake),
      leave: () => {
        this.readers--;
        left();
      },
    };
  }
}
