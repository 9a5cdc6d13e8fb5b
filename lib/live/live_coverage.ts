/**
 * Which offsets of one partition's log have been heard of, so that each change is taken once and a
 * missing one is noticed.
 *
 *     offsets   0 ......... 700 | 700 ..... 940 | ?????? | 990 ... 1200 | half heard |
 *               \______________________________/          \____________/
 *                          stretch                gap         stretch
 *
 * What is heard of without a break is one stretch. A stretch bears the times at which its oldest and
 * its newest partial were published: the changes of a gap were published between the end of the
 * stretch before and the start of the one after it. A partial of several frames becomes part of a
 * stretch when its last frame has come.
 *
 * Frames may come in any order and more than once. A frame whose offsets cross those of a known
 * partial, without being that partial, is refused: half of it would count twice.
 */
import { LIVE_STRETCHES_MAX } from "../config/limits.ts";
import type { LivePartial } from "./live_partial.ts";

/**
 * What became of a frame: `taken` = to be added up; `repeated` = was heard before, or its offsets
 * are forgotten; `crossing` = covers offsets of another partial.
 */
export type LiveVerdict = "taken" | "repeated" | "crossing";

/** Offsets that were never heard of, though later ones were. */
export interface LiveGap {
  readonly partition: number;
  readonly fromOffset: number;
  readonly toOffset: number;
}

interface Stretch {
  from: number;
  to: number;
  /** When its oldest partial was published, ms. */
  startedMs: number;
  /** When its newest partial was published, ms. */
  endedMs: number;
}

/** A partial of which some frames have come. */
interface HalfHeard {
  readonly from: number;
  readonly to: number;
  readonly parts: number;
  readonly heard: Set<number>;
}

export class LiveCoverage {
  /** In order of offsets; no two of them touch. */
  #stretches: Stretch[] = [];
  #half: HalfHeard[] = [];
  #forgottenBelow = 0;
  /** When the newest partial was published, ms. */
  newestMs = 0;
  /** What the partition received before this is in the partials, ms; 0 = unknown. */
  completeUntilMs = 0;

  constructor(readonly partition: number) {}

  /** Since when everything published is known, gaps apart: 0 = always, Infinity = never. */
  get knownSinceMs(): number {
    const first = this.#stretches[0];
    return first === undefined ? Infinity : first.from === 0 ? 0 : first.startedMs;
  }

  /**
   * Notes a frame, and tells whether its changes are new.
   *
   * @param atMs when it was published, as far as that is believed
   */
  take(partial: LivePartial, atMs: number): LiveVerdict {
    const { fromOffset, toOffset } = partial;
    this.newestMs = Math.max(this.newestMs, atMs);
    // What one partial says stays true, also when a later one knows less.
    const untilMs = Math.min(partial.completeUntilMs, atMs);
    this.completeUntilMs = Math.max(this.completeUntilMs, untilMs);
    if (fromOffset < this.#forgottenBelow) return "repeated";
    if (fromOffset === toOffset) {
      this.#notePlace(toOffset, atMs);
      return "taken";
    }
    const meets = ({ from, to }: Pick<Stretch, "from" | "to">) =>
      fromOffset < to && toOffset > from;
    const stretch = this.#stretches.find(meets);
    if (stretch !== undefined) {
      const isInside = fromOffset >= stretch.from && toOffset <= stretch.to;
      return isInside ? "repeated" : "crossing";
    }
    const half = this.#half.find(meets);
    if (half !== undefined) return this.#takePart(half, partial, atMs);
    if (partial.parts === 1) this.#extend(fromOffset, toOffset, atMs);
    else this.#startHalf(partial);
    return "taken";
  }

  /** What is missing of all that was published at `sinceMs` or later. */
  gaps(sinceMs: number): LiveGap[] {
    return this.#stretches.flatMap(({ from, startedMs }, index) => {
      if (index === 0 || startedMs < sinceMs) return [];
      const fromOffset = this.#stretches[index - 1].to;
      return [{ partition: this.partition, fromOffset, toOffset: from }];
    });
  }

  /** Forgets gaps that were closed or left behind before `beforeMs`. */
  forget(beforeMs: number): void {
    while (this.#stretches.length > 1 && this.#stretches[1].startedMs < beforeMs) {
      this.#forgetBelow(this.#stretches[1].from);
    }
  }

  #takePart(half: HalfHeard, partial: LivePartial, atMs: number): LiveVerdict {
    const { fromOffset, toOffset, part, parts } = partial;
    if (half.from !== fromOffset || half.to !== toOffset || half.parts !== parts) return "crossing";
    if (half.heard.has(part)) return "repeated";
    half.heard.add(part);
    if (half.heard.size === parts) {
      this.#half = this.#half.filter((each) => each !== half);
      this.#extend(fromOffset, toOffset, atMs);
    }
    return "taken";
  }

  #startHalf({ fromOffset, toOffset, part, parts }: LivePartial): void {
    this.#half.push({ from: fromOffset, to: toOffset, parts, heard: new Set([part]) });
    if (this.#half.length <= LIVE_STRETCHES_MAX) return;
    const oldest = this.#half.reduce((least, each) => each.from < least.from ? each : least);
    this.#forgetBelow(oldest.to);
  }

  /** The partition stands, or stood, at this offset. */
  #notePlace(offset: number, atMs: number): void {
    const stretch = this.#stretches.find(({ from, to }) => from <= offset && offset <= to);
    if (stretch === undefined) this.#extend(offset, offset, atMs);
    else if (offset === stretch.to) stretch.endedMs = Math.max(stretch.endedMs, atMs);
    if (stretch?.from === offset) stretch.startedMs = Math.min(stretch.startedMs, atMs);
  }

  /** Adds offsets that no stretch has, joined with the stretches they touch. */
  #extend(from: number, to: number, atMs: number): void {
    const before = this.#stretches.filter((each) => each.to < from);
    const after = this.#stretches.filter((each) => each.from > to);
    const touching = this.#stretches.slice(before.length, this.#stretches.length - after.length);
    const joined: Stretch = { from, to, startedMs: atMs, endedMs: atMs };
    for (const each of touching) {
      joined.from = Math.min(joined.from, each.from);
      joined.to = Math.max(joined.to, each.to);
      joined.startedMs = Math.min(joined.startedMs, each.startedMs);
      joined.endedMs = Math.max(joined.endedMs, each.endedMs);
    }
    this.#stretches = [...before, joined, ...after];
    // What is forgotten makes the answers say that they know less, never that they know all.
    if (this.#stretches.length > LIVE_STRETCHES_MAX) this.#forgetBelow(this.#stretches[1].from);
  }

  #forgetBelow(offset: number): void {
    this.#forgottenBelow = Math.max(this.#forgottenBelow, offset);
    this.#half = this.#half.filter((each) => each.from >= offset);
    this.#stretches = this.#stretches.flatMap((each) => {
      if (each.to < offset) return [];
      return each.from >= offset ? [each] : [{ ...each, from: offset, startedMs: each.endedMs }];
    });
  }
}
