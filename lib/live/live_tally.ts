/**
 * One definition of live streams on the main thread: adds up what the shards count, by the second in
 * which they applied it, and gives any window of whole seconds up to an hour.
 *
 *     what LiveWindow has | applied, not published | counted by the shards
 *     ... by second       | at the start ("seed")  | ... by second
 *     --------------------+------------------------+----------------------> time
 *                                          startSecond
 *
 * Without a filter, or with types alone, a window may reach back before the start: what was
 * published by then lies in LiveWindow, and what was applied by then and not published is told by
 * each shard as it starts. So each event is in exactly one of the three. With any other filter
 * nothing is known of what was before, and the answers say since when it is.
 */
import { LIVE_STREAM_TYPES_MAX, LIVE_WINDOW_SECONDS_MAX } from "../config/limits.ts";
import { OTHER_TYPES } from "../query/summary.ts";
import type { HyperLogLog } from "../sketch/hyperloglog.ts";
import type { LiveDefinition } from "./live_definition.ts";
import type { LivePartial } from "./live_partial.ts";
import { LiveSeries } from "./live_series.ts";
import { LiveTops, type WindowTop } from "./live_tops.ts";
import { LiveUsers } from "./live_users.ts";
import type { LivePast, LiveWindow } from "./live_window.ts";
import { type PulseCounts, START_PART, START_SEEDED } from "./pulse_frames.ts";

/** More than one key, three grains and 61 slots can come to: nothing is ever forgotten early. */
const USERS_BYTES_MAX = 8 * 1024 * 1024;
/** How often types without events in the last hour are looked for, seconds. */
const SWEEP_SECONDS = 60;

/** A window of whole seconds. */
export interface TallyWindow {
  readonly events: number;
  /** Largest first. */
  readonly byType: readonly (readonly [type: string, events: number])[];
  /** False: some types may have been counted among `(other)`. */
  readonly typesWhole: boolean;
  readonly users: HyperLogLog;
  readonly usersWhole: boolean;
  /** Users and top values are counted from here on, at or a little before the window's start. */
  readonly usersFromSecond: number;
  readonly top: WindowTop | null;
  /** Nothing of the window before this second is known; its first second = all is. */
  readonly knownFromSecond: number;
  /** What LiveWindow says of its part; null = it has none. */
  readonly past: LivePast | null;
}

export interface TallyOptions {
  readonly definition: LiveDefinition;
  /** Types alone, where the definition is about types alone; null = all, if it is about all. */
  readonly eventTypes: readonly string[] | null;
  /** Infinity = shards elsewhere count as well: all is taken from what is published. */
  readonly startSecond: number;
  /** What was published before. */
  readonly published: LiveWindow;
  /** Shards that will tell how they started. */
  readonly shards: number;
}

export class LiveTally {
  readonly definition: LiveDefinition;
  #startSecond: number;
  readonly #options: TallyOptions;
  readonly #series = new Map<string, LiveSeries>();
  readonly #users = new LiveUsers(USERS_BYTES_MAX);
  readonly #tops: LiveTops | null;
  readonly #countedTo = new Map<number, number>();
  /** Shards that told all that they had not published. */
  readonly #seeded = new Set<number>();
  /** Second from which on all shards that started late count. */
  #lateFrom = 0;
  #isSeeding: boolean;
  #sweptSecond = 0;
  /** Second in which types were last counted as other ones. */
  #othersSecond = -1;

  constructor(options: TallyOptions) {
    const { definition, startSecond } = options;
    this.#options = options;
    this.definition = definition;
    this.#startSecond = startSecond;
    this.#tops = definition.want.kind === "counts" && definition.want.top !== null
      ? new LiveTops()
      : null;
    this.#isSeeding = definition.want.kind === "counts" && definition.want.seed;
  }

  get startSecond(): number {
    return this.#startSecond;
  }

  /** From now on shards elsewhere count as well: all is taken from what they publish. */
  usePublished(): void {
    this.#startSecond = Infinity;
  }

  /** Whether all of it is taken from what is published, here and elsewhere. */
  get isOfPublished(): boolean {
    return this.startSecond === Infinity;
  }

  /** By partition: before which offset everything is counted, as far as it was told. */
  get countedTo(): ReadonlyMap<number, number> {
    return this.#countedTo;
  }

  /** A shard tells how it started; with START_PART, what it had not published. */
  start(shard: number, state: number, second: number, partial: LivePartial | null): void {
    if (state === START_PART && partial !== null) this.#seed(partial);
    else if (state === START_SEEDED) this.#seeded.add(shard);
    else {
      // It had too much, or it started late: what was before can't be put together.
      this.#isSeeding = false;
      this.#lateFrom = Math.max(this.#lateFrom, second);
    }
  }

  /** Adds what a shard counted. `second` is the one that it is told in, not before its own. */
  add(counts: PulseCounts, second: number): void {
    for (const [partition, offset] of counts.places) {
      this.#countedTo.set(partition, Math.max(offset, this.#countedTo.get(partition) ?? 0));
    }
    for (const [type, events] of counts.types) this.#addType(type, second, events);
    this.#users.advance(second);
    this.#users.add("all", this, second, counts.users);
    if (counts.top !== null) this.#tops?.add(second, counts.top);
    this.#sweep(second);
  }

  /** The `windowSeconds` whole seconds before `endSecond`. */
  window(endSecond: number, windowSeconds: number): TallyWindow {
    const from = endSecond - windowSeconds;
    const to = endSecond - 1;
    const past = this.#past(from, to, windowSeconds);
    // What was seeded lies in the second before the start.
    const own = past === null ? from : Math.max(from, this.startSecond - 1);
    const sums = new Map(past?.byType);
    for (const [type, series] of this.#series) {
      const events = series.sum(own, to);
      if (events > 0) sums.set(type, (sums.get(type) ?? 0) + events);
    }
    const byType = [...sums].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
    this.#users.advance(endSecond);
    const users = this.#users.merged("all", [this], { from: own, to, seconds: windowSeconds });
    if (past !== null) users.users.merge(past.users.users);
    const knownFrom = past !== null ? from : Math.max(this.startSecond, this.#lateFrom);
    return {
      events: byType.reduce((sum, [, events]) => sum + events, 0),
      byType,
      typesWhole: (past?.typesWhole ?? true) && this.#othersSecond < from,
      users: users.users,
      usersWhole: users.whole && (past?.users.whole ?? true),
      usersFromSecond: Math.min(users.fromSecond, past?.users.fromSecond ?? Infinity),
      top: this.#tops?.window(from, to) ?? null,
      knownFromSecond: Math.min(endSecond, Math.max(from, knownFrom)),
      past,
    };
  }

  /** The part of a window that was published before the start; null = none, or it is unknown. */
  #past(from: number, last: number, windowSeconds: number): LivePast | null {
    const { eventTypes, published, definition, shards } = this.#options;
    const isJoined = this.isOfPublished || this.#isSeeding && this.#seeded.size >= shards;
    if (from >= this.startSecond || !isJoined) return null;
    const to = Math.min(last, this.startSecond - 1);
    return published.past({ project: definition.project, eventTypes, from, to, windowSeconds });
  }

  #seed(partial: LivePartial): void {
    const { definition, eventTypes } = this.#options;
    const second = this.startSecond - 1;
    this.#users.advance(second);
    for (const { project, type, events, users } of partial.series) {
      if (project !== definition.project) continue;
      if (eventTypes !== null && !eventTypes.includes(type)) continue;
      this.#addType(type, second, events);
      this.#users.add("all", this, second, users);
    }
  }

  #addType(type: string, second: number, events: number): void {
    const hasRoom = this.#series.has(type) || this.#series.size < LIVE_STREAM_TYPES_MAX;
    const kept = hasRoom ? type : OTHER_TYPES;
    if (kept === OTHER_TYPES) this.#othersSecond = Math.max(this.#othersSecond, second);
    let series = this.#series.get(kept);
    if (series === undefined) this.#series.set(kept, series = new LiveSeries());
    series.add(second, events);
  }

  #sweep(second: number): void {
    if (second - this.#sweptSecond < SWEEP_SECONDS) return;
    this.#sweptSecond = second;
    for (const [type, series] of this.#series) {
      if (series.newest < second - LIVE_WINDOW_SECONDS_MAX) this.#series.delete(type);
    }
  }
}
