/**
 * Sampled events for all readers who asked for the same ones: keeps the newest, numbered, and gives
 * each reader its place among them. A reader for whom the next event is not kept any more goes on
 * with the oldest that is, and is told how many it missed.
 */

import {
  LIVE_TAIL_CHUNK_CHARS,
  LIVE_TAIL_KEPT_CHARS_MAX,
  LIVE_TAIL_KEPT_MAX,
} from "../../lib/config/limits.ts";
import type { PulseTail } from "../../lib/live/pulse_frames.ts";
import type { LivePlace, LiveUpdate, TailItem } from "./live_reader.ts";
import { timestampJson } from "./proto_json.ts";

type SecondUpdate = Extract<LiveUpdate<never>, { kind: "second" }>;

export class LiveTail {
  readonly #name: string;
  readonly #perSecondMax: number;
  /** Events #first, #first + 1, ... */
  #items: TailItem[] = [];
  #first = 1;
  #chars = 0;
  #inSecond = 0;
  #sampled = 0;
  #dropped = 0;
  #seconds = 0;
  #second: SecondUpdate | null = null;
  #waiting: (() => void)[] = [];
  readers = 0;
  leftAtMs = 0;

  /** @param startedMs tells the numbers of its events from those of an earlier tail */
  constructor(readonly definition: number, startedMs: number, perSecondMax: number) {
    this.#name = startedMs.toString(36);
    this.#perSecondMax = perSecondMax;
  }

  /** Takes in what a shard has drawn; more than its share of a second is dropped and counted. */
  add(tail: PulseTail): void {
    const room = Math.max(0, this.#perSecondMax - this.#inSecond);
    const taken = tail.events.slice(0, room);
    this.#inSecond += taken.length;
    this.#sampled += tail.sampled;
    this.#dropped += tail.dropped + tail.events.length - taken.length;
    for (const text of taken) {
      this.#items.push({ id: `${this.#name}-${this.#first + this.#items.length}`, text });
      this.#chars += text.length;
    }
    while (this.#items.length > LIVE_TAIL_KEPT_MAX || this.#chars > LIVE_TAIL_KEPT_CHARS_MAX) {
      this.#chars -= this.#items.shift()!.text.length;
      this.#first++;
    }
    if (taken.length > 0) this.#wake();
  }

  /** A second has ended: its numbers, and room for as many events again. */
  endSecond(endSecond: number): void {
    this.#second = {
      kind: "second",
      timestamp: timestampJson(endSecond * 1_000),
      sampled: this.#sampled,
      dropped: this.#dropped,
    };
    this.#seconds++;
    this.#inSecond = 0;
    this.#sampled = 0;
    this.#dropped = 0;
    this.#wake();
  }

  /** A place for a reader; after the event of this id, null = after the newest. */
  place(afterId: string | null, left: () => void): LivePlace<never> {
    this.readers++;
    const after = afterId === null ? null : this.#numberOf(afterId);
    let at = Math.min(after ?? Infinity, this.#first + this.#items.length - 1) + 1;
    let last = afterId;
    let seconds = this.#seconds;
    // The id is of a tail that is no more: nobody knows how many there were in between.
    let isLost = afterId !== null && after === null;
    return {
      take: (): LiveUpdate<never> | null => {
        if (isLost) {
          isLost = false;
          return { kind: "missed", missed: null, after: last };
        }
        if (at < this.#first) {
          const missed = this.#first - at;
          at = this.#first;
          return { kind: "missed", missed, after: last };
        }
        const items = this.#chunkFrom(at);
        if (items.length > 0) {
          at += items.length;
          last = items.at(-1)!.id;
          return { kind: "events", items };
        }
        if (seconds === this.#seconds) return null;
        seconds = this.#seconds;
        return this.#second;
      },
      whenNews: (wake) => this.#waiting.push(wake),
      leave: () => {
        this.readers--;
        left();
      },
    };
  }

  /** As many events as go out at once; one at least, if there is one. */
  #chunkFrom(number: number): TailItem[] {
    let end = number - this.#first;
    for (let chars = 0; end < this.#items.length; end++) {
      chars += this.#items[end].text.length;
      if (chars > LIVE_TAIL_CHUNK_CHARS && end > number - this.#first) break;
    }
    return this.#items.slice(number - this.#first, end);
  }

  /** The number of one of its own ids, else null. */
  #numberOf(id: string): number | null {
    const [name, number] = id.split("-");
    return name === this.#name && /^\d{1,15}$/.test(number ?? "") ? Number(number) : null;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
