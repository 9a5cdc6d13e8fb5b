/**
 * Live streams, free of any transport: the core of GetRealTimeAnalytics, of SSE and of WebSockets.
 *
 *     request -> definition (shared)  -> orders to the shards -> counts, tick by the second
 *             -> view of it (shared)  -> a frame by the second -> readers, each a place in it
 *
 * A second ends when every shard has told that it is through with it, or LIVE_LATE_MS_MAX after its
 * end. What a shard tells later counts in the next second, so windows of one second that follow each
 * other count each event once. What nobody reads is kept for LIVE_LINGER_MS, for readers that come
 * back; then shards are told to forget it, and an event costs them nothing again.
 */

import {
  LIVE_DEFINITIONS_MAX,
  LIVE_LATE_MS_MAX,
  LIVE_LINGER_MS,
  LIVE_REPLAY_FRAMES_MAX,
  LIVE_STREAMS_MAX,
  LIVE_TOP_DEFINITIONS_MAX,
  LIVE_VIEWS_MAX,
} from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { LiveDefinition, LiveOrder, LiveWant } from "../../lib/live/live_definition.ts";
import { decodeLivePartial } from "../../lib/live/live_partial.ts";
import { LiveReach } from "../../lib/live/live_reach.ts";
import { LiveTally } from "../../lib/live/live_tally.ts";
import type { LiveWindow } from "../../lib/live/live_window.ts";
import {
  COUNTS_FRAME,
  decodeCounts,
  decodeStart,
  decodeTail,
  decodeTick,
  START_FRAME,
  START_PART,
  TAIL_FRAME,
  TICK_FRAME,
} from "../../lib/live/pulse_frames.ts";
import type { Filter } from "../../lib/query/filter/filter.ts";
import { subjectNamed } from "../../lib/query/filter/parse_filter.ts";
import { type LivePlace, LiveReader } from "./live_reader.ts";
import type { LiveStreamJson } from "./live_stream_json.ts";
import { LiveTail } from "./live_tail.ts";
import { LiveView, type ViewOrder } from "./live_view.ts";

const SECOND_MS = 1_000;
/** Shards are told of a definition at least so long before it starts, ms. */
const NOTICE_MS = 250;

/** What live streams need from the process they run in. */
export interface LiveStreamsParts {
  /** What the shards publish, also those of other processes. */
  readonly published: LiveWindow;
  /** Shards of this process. */
  readonly shards: () => number;
  /** Partitions of the log. */
  readonly partitions: () => number;
  /** Whether all of them run in this process; a shard that is being replaced counts. */
  readonly hasAll: () => boolean;
  /** Has the shards told of orders(). */
  readonly tellShards: () => void;
  /** Ms since the epoch. */
  readonly now: () => number;
}

/** A stream of windows. */
export interface LiveStreamRequest {
  readonly project: string;
  readonly filter: Filter | null;
  /** Types alone, where `filter` is about nothing else; null = where there is no filter. */
  readonly eventTypes: readonly string[] | null;
  /** Whether `filter` asks for more than types. */
  readonly isFiltered: boolean;
  readonly windowSeconds: number;
  /** Property whose values are counted; null = none. */
  readonly top: string | null;
  readonly topLimit: number;
  /** The second at whose beginning the last window ended that the reader had; null = none. */
  readonly afterSecond: number | null;
}

/** A stream of sampled events. */
export interface LiveTailRequest {
  readonly project: string;
  readonly filter: Filter | null;
  readonly sample: number;
  readonly perSecondMax: number;
  /** Id of the last event that the reader had; null = none. */
  readonly afterId: string | null;
}

export type LiveStreamReader = LiveReader<LiveStreamJson>;

/** A definition and all that is made of it. */
type Watched =
  | { readonly kind: "counts"; readonly tally: LiveTally; readonly views: Map<string, LiveView> }
  | { readonly kind: "tail"; readonly tail: LiveTail; readonly definition: LiveDefinition };

export class LiveStreams {
  readonly #parts: LiveStreamsParts;
  readonly #reach = new LiveReach();
  /** By what is asked, as text. */
  readonly #watched = new Map<string, Watched>();
  readonly #readers = new Set<LiveStreamReader>();
  #ended: string | null = null;
  #nextId = 1;
  /** The last second that was pushed. */
  #pushed = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: LiveStreamsParts) {
    this.#parts = parts;
  }

  /** Open streams. */
  get open(): number {
    return this.#readers.size;
  }

  /** What the shards are to watch for. */
  orders(): LiveOrder[] {
    const told = this.#reach.countedTo;
    return [...this.#watched.values()].flatMap((watched): LiveOrder[] => {
      if (watched.kind === "tail") {
        return [{ definition: watched.definition, startSecond: 0, countedTo: told }];
      }
      const { tally } = watched;
      if (tally.isOfPublished) return [];
      const { definition, startSecond, countedTo } = tally;
      // What was told before it started says nothing of it.
      const places = new Map(this.#pushed < startSecond ? [] : told);
      for (const [partition, offset] of countedTo) {
        places.set(partition, Math.max(offset, places.get(partition) ?? 0));
      }
      return [{ definition, startSecond, countedTo: [...places] }];
    });
  }

  /** A frame of a shard: one of lib/live/pulse_frames.ts. */
  take(shard: number, kind: number, bytes: Uint8Array): void {
    if (this.#watched.size === 0) return;
    if (kind === TICK_FRAME) {
      this.#reach.tick(shard, decodeTick(bytes));
      this.beat();
    } else if (kind === COUNTS_FRAME) {
      const counts = decodeCounts(bytes);
      const second = Math.max(counts.second, this.#pushed + 1);
      this.#tallyOf(counts.definition)?.add(counts, second);
    } else if (kind === TAIL_FRAME) {
      const tail = decodeTail(bytes);
      for (const watched of this.#watched.values()) {
        if (watched.kind === "tail" && watched.definition.id === tail.definition) {
          watched.tail.add(tail);
        }
      }
    } else if (kind === START_FRAME) {
      const { definition, state, second, partial } = decodeStart(bytes);
      const part = state === START_PART ? decodeLivePartial(partial) : null;
      this.#tallyOf(definition)?.start(shard, state, second, part);
    }
  }

  /** Opens a stream of windows. Throws ProblemError (too_many_streams, shutting_down). */
  openWindows(request: LiveStreamRequest): LiveStreamReader {
    this.#checkOpen();
    const { windowSeconds, top, topLimit, project, filter, isFiltered } = request;
    const want: LiveWant = {
      kind: "counts",
      top: top === null ? null : subjectNamed(top),
      seed: !isFiltered,
    };
    const watched = this.#watch(project, filter, want, (definition) => ({
      kind: "counts",
      views: new Map(),
      tally: new LiveTally({
        definition,
        eventTypes: request.eventTypes,
        startSecond: this.#startOf(definition),
        published: this.#parts.published,
        shards: this.#parts.shards(),
      }),
    }));
    if (watched.kind !== "counts") throw new Error("windows are made of counts");
    const order = { windowSeconds, topName: top, topLimit: top === null ? 0 : topLimit };
    const view = this.#viewOf(watched, order);
    const { isOfPublished, startSecond } = watched.tally;
    const next = Math.max(this.#pushed + 2, isOfPublished ? 0 : startSecond);
    return this.#read(view, (left) => view.place(request.afterSecond, next, left));
  }

  /** Opens a stream of sampled events. Throws ProblemError (too_many_streams, shutting_down). */
  openTail(request: LiveTailRequest): LiveStreamReader {
    this.#checkOpen();
    const { project, filter, sample, perSecondMax } = request;
    const want: LiveWant = { kind: "tail", sample, perSecondMax };
    const watched = this.#watch(project, filter, want, (definition) => ({
      kind: "tail",
      definition,
      tail: new LiveTail(definition.id, this.#parts.now(), perSecondMax),
    }));
    if (watched.kind !== "tail") throw new Error("a tail is made of events");
    const { tail } = watched;
    return this.#read(tail, (left) => tail.place(request.afterId, left));
  }

  /** Looks whether a second has ended, and makes its frames. Called by the clock and by ticks. */
  beat(): void {
    const nowMs = this.#parts.now();
    const over = Math.floor(nowMs / SECOND_MS) - 1;
    // What was slept through for longer than frames are kept is not made any more.
    this.#pushed = Math.max(this.#pushed, over - LIVE_REPLAY_FRAMES_MAX);
    // A clock that was set back must not silence the streams until it has caught up.
    if (this.#pushed > over + 1) this.#pushed = over;
    while (this.#pushed < over) {
      const second = this.#pushed + 1;
      const isLate = nowMs >= (second + 1) * SECOND_MS + LIVE_LATE_MS_MAX;
      const shards = this.orders().length === 0 ? 0 : this.#parts.shards();
      if (!isLate && !this.#reach.isHeardBy(shards, second)) break;
      this.#push(second);
    }
  }

  /** Ends all streams: their readers are told why. No new ones are opened. */
  end(message: string): void {
    this.#ended = message;
    clearTimeout(this.#timer);
    for (const reader of [...this.#readers]) reader.end("shutting_down", message);
    this.#watched.clear();
  }

  #push(second: number): void {
    this.#pushed = second;
    if (!this.#parts.hasAll()) this.#usePublished();
    const partitions = this.#parts.partitions();
    for (const watched of this.#watched.values()) {
      if (watched.kind === "tail") watched.tail.endSecond(second + 1);
      else if (watched.tally.isOfPublished || second + 1 >= watched.tally.startSecond) {
        for (const view of watched.views.values()) view.push(second + 1, this.#reach, partitions);
      }
    }
    this.#forget();
  }

  /** Partitions went to other processes: what can be made of what all publish is made of that. */
  #usePublished(): void {
    let isChanged = false;
    for (const watched of this.#watched.values()) {
      if (watched.kind === "tail") continue;
      const { tally } = watched;
      if (tally.isOfPublished || !isPublished(tally.definition)) continue;
      tally.usePublished();
      isChanged = true;
    }
    if (isChanged) this.#parts.tellShards();
  }

  /** Lets go what nobody has read for LIVE_LINGER_MS, or, where room is wanted, at all. */
  #forget(lingerMs = LIVE_LINGER_MS): void {
    const nowMs = this.#parts.now();
    const isLeft = ({ readers, leftAtMs }: LiveView | LiveTail) =>
      readers === 0 && nowMs - leftAtMs >= lingerMs;
    const before = this.#watched.size;
    for (const [key, watched] of this.#watched) {
      if (watched.kind === "tail") {
        if (isLeft(watched.tail)) this.#watched.delete(key);
        continue;
      }
      const { views } = watched;
      for (const [name, view] of views) if (isLeft(view)) views.delete(name);
      if (views.size === 0) this.#watched.delete(key);
    }
    if (this.#watched.size < before) this.#parts.tellShards();
    if (this.#watched.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#reach.clear();
  }

  #checkOpen(): void {
    if (this.#ended !== null) throw new ProblemError("shutting_down", this.#ended);
    if (this.#readers.size < LIVE_STREAMS_MAX) return;
    throw tooMany(`${LIVE_STREAMS_MAX} live streams are open, and there is room for no more`);
  }

  /** The definition that all who ask for the same share; made, and told to the shards, if need be. */
  #watch(
    project: string,
    filter: Filter | null,
    want: LiveWant,
    make: (definition: LiveDefinition) => Watched,
  ): Watched {
    const key = JSON.stringify([project, filter, want]);
    const known = this.#watched.get(key);
    if (known !== undefined) return known;
    this.#makeRoom(want);
    if (this.#watched.size === 0) {
      this.#pushed = Math.floor(this.#parts.now() / SECOND_MS) - 1;
    }
    const watched = make({ id: this.#nextId++, project, filter, want });
    this.#watched.set(key, watched);
    this.#parts.tellShards();
    this.#schedule();
    return watched;
  }

  #makeRoom(want: LiveWant): void {
    const countsTop = (each: LiveWant) => each.kind === "counts" && each.top !== null;
    const lacksRoom = () => {
      const definitions = [...this.#watched.values()].map((each) =>
        each.kind === "tail" ? each.definition : each.tally.definition
      );
      const tops = definitions.filter((each) => countsTop(each.want)).length;
      return definitions.length >= LIVE_DEFINITIONS_MAX ||
        (countsTop(want) && tops >= LIVE_TOP_DEFINITIONS_MAX);
    };
    if (lacksRoom()) this.#forget(0);
    if (!lacksRoom()) return;
    throw tooMany(
      `streams of ${LIVE_DEFINITIONS_MAX} different filters, ${LIVE_TOP_DEFINITIONS_MAX} of them ` +
        "with top, can be open; streams that ask for the same share one",
    );
  }

  #viewOf({ tally, views }: Extract<Watched, { kind: "counts" }>, order: ViewOrder): LiveView {
    const key = JSON.stringify(order);
    let view = views.get(key);
    if (view !== undefined) return view;
    const count = [...this.#watched.values()]
      .reduce((sum, each) => sum + (each.kind === "counts" ? each.views.size : 0), 0);
    if (count >= LIVE_VIEWS_MAX) {
      throw tooMany(`streams of ${LIVE_VIEWS_MAX} different windows are open; there is no room`);
    }
    views.set(key, view = new LiveView(tally, order));
    return view;
  }

  #read(
    kept: LiveView | LiveTail,
    placeOf: (left: () => void) => LivePlace<LiveStreamJson>,
  ): LiveStreamReader {
    const left = () => {
      kept.leftAtMs = this.#parts.now();
      this.#readers.delete(reader);
    };
    const reader: LiveStreamReader = new LiveReader(placeOf(left));
    this.#readers.add(reader);
    return reader;
  }

  /** The first second that can be counted whole; Infinity where not all is counted here. */
  #startOf(definition: LiveDefinition): number {
    // Where other processes have shards, their events are known from what they publish alone.
    if (isPublished(definition) && !this.#parts.hasAll()) return Infinity;
    return Math.floor((this.#parts.now() + NOTICE_MS) / SECOND_MS) + 1;
  }

  #tallyOf(definition: number): LiveTally | null {
    for (const watched of this.#watched.values()) {
      if (watched.kind === "counts" && watched.tally.definition.id === definition) {
        return watched.tally;
      }
    }
    return null;
  }

  /** The clock: ticks of shards come before it when all is well. */
  #schedule(): void {
    clearTimeout(this.#timer);
    const nowMs = this.#parts.now();
    const lateMs = (this.#pushed + 2) * SECOND_MS + LIVE_LATE_MS_MAX - nowMs;
    this.#timer = setTimeout(() => {
      this.beat();
      if (this.#watched.size > 0) this.#schedule();
    }, Math.min(SECOND_MS, Math.max(1, lateMs)));
  }
}

/** Whether what shards publish is enough to make windows of it. */
function isPublished({ want }: LiveDefinition): boolean {
  return want.kind === "counts" && want.seed && want.top === null;
}

function tooMany(detail: string): ProblemError {
  return new ProblemError("too_many_streams", detail);
}
