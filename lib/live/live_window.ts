/**
 * The reader's side of live partials: adds them up, each once, and answers what happened in the last
 * seconds, up to an hour back.
 *
 * Time here is when a partial was published, by whole seconds: a window of W seconds is the last W
 * full seconds and the one that runs, so that it holds at least one partial of every partition that
 * is busy. What a shard counts while it catches up with its log counts as now.
 *
 *     partial -> heard before? (live_coverage.ts) -> events by second (live_series.ts)
 *                                                 -> users by second, 10 s, minute (live_users.ts)
 *
 * Nothing here reads a clock: whoever adds and asks says what time it is. Memory is bounded by the
 * LIVE_* limits: past LIVE_TYPES_MAX types are counted as `(other)` of their project, past
 * LIVE_PROJECTS_MAX projects are not kept, and the answers say so.
 */
import {
  LIVE_PROJECTS_MAX,
  LIVE_SILENT_MS,
  LIVE_TYPES_MAX,
  LIVE_USERS_BYTES_MAX,
  LIVE_WINDOW_SECONDS_MAX,
} from "../config/limits.ts";
import { OTHER_TYPES } from "../query/summary.ts";
import { LiveCoverage, type LiveGap, type LiveVerdict } from "./live_coverage.ts";
import type { LivePartial, LiveSeriesName } from "./live_partial.ts";
import { LiveSeries } from "./live_series.ts";
import { LiveUsers, type MergedUsers, type UsersEstimate } from "./live_users.ts";

const SECOND_MS = 1_000;
/** How often series without events in the last hour are looked for, seconds. */
const SWEEP_SECONDS = 60;

/** What is asked. */
export interface LiveQuestion {
  readonly project: string;
  /** 1 to LIVE_WINDOW_SECONDS_MAX. */
  readonly windowSeconds: number;
  /** Event types to count; null = all. */
  readonly eventTypes: readonly string[] | null;
  /** Ms since the epoch, as all times here. */
  readonly nowMs: number;
}

/** What can be wrong with an answer's whole; all empty and 0 = nothing. */
export interface LiveLack {
  /** Partitions nothing was heard of for LIVE_SILENT_MS. */
  readonly missing: readonly number[];
  /** Partitions whose shard is further behind its log than that. */
  readonly behind: readonly number[];
  /** Changes that were published in the window, or may have been, and never came. */
  readonly gaps: readonly LiveGap[];
  /** Where the window begins before everything was heard of: since when it was. Else 0. */
  readonly knownSinceMs: number;
  /** Projects of the window had to be left out, and the one asked for is not among the others. */
  readonly projectsLeftOut: boolean;
}

export interface LiveAnswer {
  /** [windowStartMs, nowMs]: a whole second, `windowSeconds` before the second that runs. */
  readonly windowStartMs: number;
  readonly nowMs: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  /** False: some of the types asked for may have been counted among `(other)`. */
  readonly typesWhole: boolean;
  readonly users: UsersEstimate;
  /** Events by type, largest first. */
  readonly byType: readonly (readonly [type: string, events: number])[];
  /** When the newest partial was published; 0 = none has come. */
  readonly newestPartialMs: number;
  /** Partitions that were ever heard of, ascending. */
  readonly partitions: readonly number[];
  /** Everything received before this is counted; 0 = a partition is unknown. */
  readonly completeUntilMs: number;
  readonly complete: boolean;
  readonly lack: LiveLack;
}

/** A part of what was published. */
export interface PastQuestion extends Pick<LiveQuestion, "project" | "eventTypes"> {
  /** Seconds since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly windowSeconds: number;
}

export interface LivePast extends Pick<LiveAnswer, "byType" | "typesWhole" | "lack"> {
  readonly users: MergedUsers;
  readonly completeUntilMs: number;
}

/** What became of the frames, by number, since the start. */
export type LiveCounts = Record<LiveVerdict | "stale", number>;

/** The series of a project by type; it also is the key of the users of all types together. */
type Project = Map<string, LiveSeries>;

export class LiveWindow {
  /**
   * Frames by what became of them: `taken`, `repeated` and `crossing` as in live_coverage.ts,
   * `stale` = new, but from before the last hour.
   */
  readonly counts: LiveCounts = { taken: 0, repeated: 0, crossing: 0, stale: 0 };
  #partitions: number;
  readonly #users: LiveUsers;
  readonly #coverage = new Map<number, LiveCoverage>();
  readonly #projects = new Map<string, Project>();
  #types = 0;
  #second = 0;
  #sweptSecond = 0;
  /** Second in which a project was last left out; -1 = never. */
  #leftOutSecond = -1;

  /** @param partitions partitions of the log; those not heard of are told as missing */
  constructor(partitions: number, usersBytesMax: number = LIVE_USERS_BYTES_MAX) {
    this.#partitions = partitions;
    this.#users = new LiveUsers(usersBytesMax);
  }

  /** The log has so many partitions now. */
  setPartitions(partitions: number): void {
    this.#partitions = partitions;
  }

  /** Memory of the users' sketches, bytes, about; all else is small beside it. */
  get byteSize(): number {
    return this.#users.byteSize;
  }

  /**
   * Adds a frame, unless it was added before. A publisher's clock that is ahead is not believed: what
   * comes from the future was published now.
   */
  add(partial: LivePartial, nowMs: number): LiveVerdict | "stale" {
    this.#advance(nowMs);
    const atMs = Math.min(partial.publishedAtMs, nowMs);
    const second = Math.floor(atMs / SECOND_MS);
    const verdict = this.#coverageOf(partial.partition).take(partial, atMs);
    const isStale = verdict === "taken" && second < this.#second - LIVE_WINDOW_SECONDS_MAX;
    const noted = isStale ? "stale" : verdict;
    this.counts[noted]++;
    if (noted === "taken") this.#addChanges(partial, second);
    return noted;
  }

  /** Answers. Throws RangeError on a window that is not kept. */
  answer(question: LiveQuestion): LiveAnswer {
    const { project: name, windowSeconds, eventTypes, nowMs } = question;
    const isKept = Number.isInteger(windowSeconds) && windowSeconds >= 1 &&
      windowSeconds <= LIVE_WINDOW_SECONDS_MAX;
    if (!isKept) throw new RangeError(`a window of ${windowSeconds} s is not kept`);
    this.#advance(nowMs);
    const second = Math.floor(nowMs / SECOND_MS);
    const windowStartMs = Math.max(0, second - windowSeconds) * SECOND_MS;
    const project = this.#projects.get(name);
    const counted = this.#counted(project, eventTypes);
    const byType = counted
      .map(([type, series]) => [type, series.sum(second - windowSeconds, second)] as const)
      .filter(([, events]) => events > 0)
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
    const events = byType.reduce((sum, [, count]) => sum + count, 0);
    const others = project?.get(OTHER_TYPES)?.sum(second - windowSeconds, second) ?? 0;
    const users = eventTypes === null
      ? this.#users.estimate("all", project ? [project] : [], second, windowSeconds)
      : this.#users.estimate("type", counted.map(([, each]) => each), second, windowSeconds);
    return {
      windowStartMs,
      nowMs,
      events,
      eventsPerSecond: events / ((nowMs - windowStartMs) / SECOND_MS),
      typesWhole: eventTypes === null || others === 0,
      users,
      byType,
      ...this.#quality(windowStartMs, nowMs, project !== undefined),
    };
  }

  /**
   * What was published in the whole seconds from .. to, both included, as it can be merged with what
   * is known from elsewhere. `windowSeconds` chooses the grain of the users.
   */
  past({ project: name, eventTypes, from, to, windowSeconds }: PastQuestion): LivePast {
    this.#advance(to * SECOND_MS);
    const project = this.#projects.get(name);
    const counted = this.#counted(project, eventTypes);
    const byType = counted.map(([type, series]) => [type, series.sum(from, to)] as const)
      .filter(([, events]) => events > 0);
    const others = project?.get(OTHER_TYPES)?.sum(from, to) ?? 0;
    const range = { from, to, seconds: windowSeconds };
    const users = eventTypes === null
      ? this.#users.merged("all", project ? [project] : [], range)
      : this.#users.merged("type", counted.map(([, each]) => each), range);
    const { lack, completeUntilMs } = this.#quality(
      from * SECOND_MS,
      (to + 1) * SECOND_MS,
      project !== undefined,
    );
    return {
      byType,
      typesWhole: eventTypes === null || others === 0,
      users,
      lack,
      completeUntilMs,
    };
  }

  #counted(project: Project | undefined, eventTypes: readonly string[] | null) {
    if (eventTypes === null) return [...project ?? []];
    return [...new Set(eventTypes)].flatMap((type) => {
      const series = project?.get(type);
      return series === undefined ? [] : [[type, series] as [string, LiveSeries]];
    });
  }

  #quality(windowStartMs: number, nowMs: number, isProjectKept: boolean) {
    const partitions = [...this.#coverage.keys()].sort((a, b) => a - b);
    const missing: number[] = [];
    const behind: number[] = [];
    const gaps: LiveGap[] = [];
    let newestPartialMs = 0;
    let completeUntilMs = Infinity;
    let knownSinceMs = 0;
    const known = Array.from({ length: this.#partitions }, (_, partition) => partition);
    for (const partition of new Set([...known, ...partitions])) {
      const coverage = this.#coverage.get(partition);
      const heardMs = Math.min(coverage?.newestMs ?? 0, nowMs);
      const untilMs = Math.min(coverage?.completeUntilMs ?? 0, nowMs);
      if (nowMs - heardMs > LIVE_SILENT_MS) missing.push(partition);
      else if (nowMs - untilMs > LIVE_SILENT_MS) behind.push(partition);
      gaps.push(...coverage?.gaps(windowStartMs) ?? []);
      newestPartialMs = Math.max(newestPartialMs, heardMs);
      completeUntilMs = Math.min(completeUntilMs, untilMs);
      knownSinceMs = Math.max(knownSinceMs, coverage?.knownSinceMs ?? 0);
    }
    knownSinceMs = knownSinceMs <= windowStartMs ? 0 : Math.min(knownSinceMs, nowMs);
    const projectsLeftOut = !isProjectKept && this.#leftOutSecond * SECOND_MS >= windowStartMs;
    return {
      newestPartialMs,
      partitions,
      completeUntilMs: completeUntilMs < Infinity ? completeUntilMs : 0,
      complete: missing.length + behind.length + gaps.length + knownSinceMs === 0 &&
        !projectsLeftOut,
      lack: { missing, behind, gaps, knownSinceMs, projectsLeftOut },
    };
  }

  #coverageOf(partition: number): LiveCoverage {
    let coverage = this.#coverage.get(partition);
    if (coverage === undefined) {
      coverage = new LiveCoverage(partition);
      this.#coverage.set(partition, coverage);
    }
    return coverage;
  }

  #addChanges(partial: LivePartial, second: number): void {
    for (const change of partial.series) {
      const places = this.#placesOf(change, second);
      if (places === null) continue;
      const [project, series] = places;
      series.add(second, change.events);
      this.#users.add("all", project, second, change.users);
      this.#users.add("type", series, second, change.users);
    }
  }

  /** Where a series is counted; null when there is no room for its project. */
  #placesOf({ project: name, type }: LiveSeriesName, second: number) {
    let project = this.#projects.get(name);
    if (project === undefined) {
      if (this.#projects.size >= LIVE_PROJECTS_MAX) {
        this.#leftOutSecond = Math.max(this.#leftOutSecond, second);
        return null;
      }
      project = new Map();
      this.#projects.set(name, project);
    }
    // The series of all the others needs no room: there is one a project at most.
    const hasRoom = project.has(type) || this.#types < LIVE_TYPES_MAX || type === OTHER_TYPES;
    const kept = hasRoom ? type : OTHER_TYPES;
    let series = project.get(kept);
    if (series === undefined) {
      series = new LiveSeries();
      project.set(kept, series);
      if (kept !== OTHER_TYPES) this.#types++;
    }
    return [project, series] as const;
  }

  /** Time goes on; once a minute, what had no events for an hour is forgotten. */
  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS);
    if (second <= this.#second) return;
    this.#second = second;
    this.#users.advance(second);
    if (second - this.#sweptSecond < SWEEP_SECONDS) return;
    this.#sweptSecond = second;
    const oldest = second - LIVE_WINDOW_SECONDS_MAX;
    for (const coverage of this.#coverage.values()) coverage.forget((oldest - 1) * SECOND_MS);
    for (const [name, project] of this.#projects) {
      for (const [type, series] of project) {
        if (series.newest >= oldest) continue;
        project.delete(type);
        if (type !== OTHER_TYPES) this.#types--;
      }
      if (project.size === 0) this.#projects.delete(name);
    }
  }
}
