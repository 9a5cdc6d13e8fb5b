/**
 * The shard's side of live streams: looks at each event as it is applied, for every definition that
 * somebody reads, and tells once a second what it found.
 *
 *     order(definitions)        what is read now; the whole list each time
 *     begin, take ..., end      a record is applied: its new events are counted
 *     advance(now)              a second is over: all that was counted is due, then a tick
 *     flush()                   passes on what is due; what finds no room stays and adds up
 *
 * Each event counts once, also when the shard is replaced: counts say up to which offset of each
 * partition they reach, and a shard that takes over passes over what was counted (LiveOrder). What
 * was counted and could not be told shows as a break between the ranges of two ticks.
 *
 * Nothing here reads a clock or waits. Memory is bounded by the LIVE_* limits a definition.
 */
import { LIVE_SEED_BYTES_MAX, LIVE_TOP_BYTES_MAX } from "../config/limits.ts";
import type { LogRecord } from "../log/event_log.ts";
import type { AppliedEvent, EventTap, RecordTap } from "../process/record_tap.ts";
import { matchesFilter } from "../query/filter/match_filter.ts";
import { AppliedEventView } from "./applied_event_view.ts";
import type { LiveOrder } from "./live_definition.ts";
import { encodeLivePartials, type LivePartialInput } from "./live_partial.ts";
import { CountsJob, type PulseJob, TailJob } from "./pulse_jobs.ts";
import {
  COUNTS_FRAME,
  encodeCounts,
  encodeStart,
  encodeTail,
  encodeTick,
  type PulseRange,
  START_BEGUN,
  START_FRAME,
  START_PART,
  START_SEEDED,
  TAIL_FRAME,
  TICK_FRAME,
} from "./pulse_frames.ts";

const SECOND_MS = 1_000;

export interface LivePulseParts {
  /** Passes a frame on to the main thread; false = there is no room now. */
  readonly write: (kind: number, payload: Uint8Array) => boolean;
  /** Everything received before this is applied, by partition, ms since the epoch. */
  readonly completeUntilMs: (partition: number) => number;
  /** What was applied and is in no live partial yet, of every partition. */
  readonly unpublished: () => readonly LivePartialInput[];
  /** Longest frame of a partial that can be passed on, bytes. */
  readonly partialBytesMax: number;
}

/** One partition that is applied here. */
interface Lane {
  readonly partition: number;
  /** Where the log is to be read on from. */
  readonly place: () => number;
  /** Up to here ticks have told. */
  told: number;
  /** Up to here the second that is due reaches. */
  due: number;
  completeUntilMs: number;
  /** What can't be counted in between: a record that was counted in part. */
  breaks: { from: number; to: number }[];
  closedAt: number | null;
}

export class LivePulse implements RecordTap, EventTap {
  readonly #parts: LivePulseParts;
  readonly #lanes = new Map<number, Lane>();
  readonly #view = new AppliedEventView();
  #jobs: PulseJob[] = [];
  /** Jobs that the record under way is for. */
  #active: PulseJob[] = [];
  /** Whether a record was begun and not ended: what it added is not whole. */
  #isInside = false;
  /** The second that runs. */
  #second = 0;
  /** A second is over and its tick was not told. */
  #tickDue = false;

  constructor(parts: LivePulseParts) {
    this.#parts = parts;
  }

  /** Whether anybody wants anything. */
  get isWatching(): boolean {
    return this.#jobs.length > 0;
  }

  /** Whether sampled events are wanted, which go out more often than once a second. */
  get hasTail(): boolean {
    return this.#jobs.some((job) => job.kind === "tail");
  }

  /** Takes a partition in; `place` gives where the log is to be read on from. */
  open(partition: number, place: () => number): void {
    const told = place();
    const lane = { partition, place, told, due: told, completeUntilMs: 0 };
    this.#lanes.set(partition, { ...lane, breaks: [], closedAt: null });
  }

  /** A partition goes; what it was counted for is told with the next tick. */
  close(partition: number): void {
    const lane = this.#lanes.get(partition)!;
    if (this.isWatching) lane.closedAt = lane.place();
    else this.#lanes.delete(partition);
  }

  /** What is wanted from now on. */
  order(orders: readonly LiveOrder[], nowMs: number): void {
    if (!this.isWatching) {
      this.#second = Math.floor(nowMs / SECOND_MS);
      for (const lane of this.#lanes.values()) lane.told = lane.due = lane.place();
    } else this.advance(nowMs);
    this.#jobs = orders.map((order) => {
      const known = this.#jobs.find(({ definition }) => definition.id === order.definition.id);
      if (known === undefined) return this.#begin(order, nowMs);
      known.passOver(order.countedTo);
      return known;
    });
    this.#active = this.#active.filter((job) => this.#jobs.includes(job));
    if (!this.isWatching) this.#tickDue = false;
  }

  begin(record: LogRecord, nowMs: number): EventTap | null {
    if (this.#jobs.length === 0) return null;
    this.advance(nowMs);
    for (const job of this.#jobs) if (job.kind === "tail" && job.isPressing) this.#flushTail(job);
    this.#active = this.#jobs.filter((job) => this.#isFor(job, record));
    this.#isInside = this.#active.length > 0;
    return this.#isInside ? this : null;
  }

  take(event: AppliedEvent): void {
    const view = this.#view;
    view.look(event);
    for (const job of this.#active) {
      if (matchesFilter(job.definition.filter, view)) job.take(event, view);
    }
  }

  end(): void {
    this.#isInside = false;
  }

  /** Notices that a second is over, or that a definition begins. */
  advance(nowMs: number): void {
    if (this.#isInside) return;
    const second = Math.floor(nowMs / SECOND_MS);
    // A clock that was set back ends no second until it has caught up, but for a long way.
    if (second === this.#second || this.#second - second === 1) return;
    this.#second = second;
    if (!this.isWatching) return;
    for (const job of this.#jobs) {
      if (job.kind === "counts") job.isDue = true;
      else job.startSecond();
      if (!job.hasBegun && job.order.startSecond <= second) this.#start(job);
    }
    for (const lane of this.#lanes.values()) {
      lane.due = lane.closedAt ?? lane.place();
      if (lane.closedAt === null) {
        lane.completeUntilMs = this.#parts.completeUntilMs(lane.partition);
      }
    }
    this.#tickDue = true;
  }

  /** Passes on what is due; false when something is left for want of room. */
  flush(): boolean {
    // A record that threw ends the shard: whoever takes over counts all of it again.
    if (this.#isInside) return true;
    for (const job of this.#jobs) {
      while (job.starting.length > 0) {
        if (!this.#parts.write(START_FRAME, job.starting[0])) return false;
        job.starting.shift();
      }
      if (!(job.kind === "counts" ? this.#flushCounts(job) : this.#flushTail(job))) return false;
    }
    return !this.#tickDue || this.#flushTick();
  }

  /** The shard ends: what was counted is passed on as far as there is room. */
  stop(nowMs: number): void {
    if (!this.isWatching) return;
    this.advance(nowMs + SECOND_MS);
    this.flush();
  }

  /** Whether the events of a record count for a job. */
  #isFor(job: PulseJob, record: LogRecord): boolean {
    if (!job.hasBegun || job.definition.project !== record.project) return false;
    const counted = job.countedTo(record.partition);
    if (record.offset >= counted) return true;
    // Its first events were counted, its last ones were not: they are told as missing.
    const { partition, nextOffset } = record;
    if (nextOffset > counted) {
      this.#lanes.get(partition)?.breaks.push({ from: counted, to: nextOffset });
    }
    return false;
  }

  #begin(order: LiveOrder, nowMs: number): PulseJob {
    const job = order.definition.want.kind === "counts" ? new CountsJob(order) : new TailJob(order);
    // What others have counted before tells that it has begun long ago.
    if (order.countedTo.length > 0) job.hasBegun = true;
    else if (order.startSecond * SECOND_MS <= nowMs) {
      // Heard of too late: whole seconds are known from the next one on.
      job.hasBegun = true;
      job.starting.push(encodeStart({
        definition: order.definition.id,
        state: START_BEGUN,
        second: Math.floor(nowMs / SECOND_MS) + 1,
        partial: NOTHING,
      }));
    }
    return job;
  }

  /** A definition begins, with what was not published before. */
  #start(job: PulseJob): void {
    job.hasBegun = true;
    const { definition, startSecond: second } = job.order;
    const say = (state: number, partial: Uint8Array = NOTHING) =>
      encodeStart({ definition: definition.id, state, second, partial });
    const seeds = definition.want.kind === "counts" && definition.want.seed;
    const parts = seeds ? this.#seedParts() : null;
    job.starting.push(
      ...(parts ?? []).map((partial) => say(START_PART, partial)),
      say(parts === null ? START_BEGUN : START_SEEDED),
    );
  }

  /** What was not published, as frames; null when it is too much. */
  #seedParts(): Uint8Array[] | null {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (const input of this.#parts.unpublished()) {
      bytes += input.deltas.reduce((sum, { length }) => sum + length, 0);
      if (bytes > LIVE_SEED_BYTES_MAX) return null;
      if (input.deltas.length === 0) continue;
      parts.push(...encodeLivePartials(input, this.#parts.partialBytesMax));
    }
    return parts;
  }

  #flushCounts(job: CountsJob): boolean {
    if (!job.isDue) return true;
    if (job.events > 0) {
      const places = [...this.#lanes.values()]
        .map(({ partition, closedAt, place }) => [partition, closedAt ?? place()] as const);
      const counts = job.counts(this.#second - 1, places);
      const bytes = encodeCounts(counts, LIVE_TOP_BYTES_MAX);
      if (!this.#parts.write(COUNTS_FRAME, bytes)) return false;
      job.startAnew();
    }
    job.isDue = false;
    return true;
  }

  #flushTail(job: TailJob): boolean {
    const tail = job.tail();
    if (tail === null) return true;
    if (!this.#parts.write(TAIL_FRAME, encodeTail(tail))) return false;
    job.startAnew();
    return true;
  }

  #flushTick(): boolean {
    const ranges = [...this.#lanes.values()].flatMap(rangesOf);
    const tick = encodeTick({ second: this.#second - 1, ranges });
    if (!this.#parts.write(TICK_FRAME, tick)) return false;
    for (const lane of this.#lanes.values()) {
      lane.told = lane.due;
      lane.breaks = lane.breaks.filter(({ to }) => to > lane.due);
      if (lane.closedAt !== null) this.#lanes.delete(lane.partition);
    }
    this.#tickDue = false;
    return true;
  }
}

const NOTHING = new Uint8Array(0);

/** What the tick that is due tells of a partition: one range, or several with breaks in between. */
function rangesOf({ partition, told, due, completeUntilMs, breaks }: Lane): PulseRange[] {
  const ranges: PulseRange[] = [];
  let from = told;
  for (const each of breaks) {
    if (each.to > due || each.from < from) continue;
    ranges.push({ partition, from, to: each.from, completeUntilMs });
    from = each.to;
  }
  ranges.push({ partition, from, to: due, completeUntilMs });
  return ranges;
}
