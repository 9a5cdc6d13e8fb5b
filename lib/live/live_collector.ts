/**
 * The shard's side of live partials: gathers what each partition commits and gives it out as frames,
 * about once a second.
 *
 *     open(partition)   -> an empty partial at once: here is the partition, and its place
 *     note(commit) ...  -> kept by reference, nothing is copied or decoded
 *     takeDue(now)      -> the frames of every partition whose second is over, or that was silent
 *                          for LIVE_IDLE_MS; to be called when the frames before have been passed on
 *     close(partition)  -> what is left of it
 *
 * After a silence the first commit is due at once, so a lone event shows without the second's wait.
 *
 * While nobody takes, changes add up, up to LIVE_PENDING_BYTES_MAX a partition: then they are merged
 * into one delta, and if that is still more than half, dropped and counted. A single commit of more
 * than half is dropped at once: only a backlog of events that lie far apart has such ones, and
 * nobody looks at it live. Dropped changes are in the store all the same; the offsets of the
 * partials show readers that something is missing.
 */
import {
  LIVE_IDLE_MS,
  LIVE_PARTIAL_BYTES_MAX,
  LIVE_PENDING_BYTES_MAX,
  LIVE_PUBLISH_MS,
} from "../config/limits.ts";
import { mergedBytesLeast, mergeEncodedDeltas } from "./encoded_cells.ts";
import { encodeLivePartials, type LivePartialInput, type LiveSeriesName } from "./live_partial.ts";

/** What one commit of a partition changed. */
export interface LiveCommit {
  /** The commit before ended here. */
  readonly fromOffset: number;
  /** Where the log is to be read on from. */
  readonly toOffset: number;
  /** Arrival of its oldest record, ms since the epoch. */
  readonly firstReceivedAtMs: number;
  /** Arrival of its newest record, ms since the epoch. */
  readonly lastReceivedAtMs: number;
  /** As RollupDelta.encode() wrote it, not changed any more; null = no event counted. */
  readonly delta: Uint8Array | null;
}

/** One frame to be passed on. */
export interface LiveFrame {
  /** The key under which it is published. */
  readonly partition: number;
  readonly bytes: Uint8Array;
}

/** How complete a partition is, for its partials: see LivePartialHead.completeUntilMs. */
export type CompleteUntil = (partition: number) => number;

interface Lane {
  readonly partition: number;
  readonly seriesOf: (series: number) => LiveSeriesName;
  fromOffset: number;
  toOffset: number;
  firstReceivedAtMs: number;
  lastReceivedAtMs: number;
  deltas: Uint8Array[];
  bytes: number;
  commits: number;
  /** When it last gave something out, ms; 0 = not yet. */
  takenAtMs: number;
}

export class LiveCollector {
  readonly #lanes = new Map<number, Lane>();
  readonly #frameBytesMax: number;
  readonly #pendingBytesMax: number;
  /** Commits whose changes were dropped since the start because nobody took them. */
  dropped = 0;

  /** @param frameBytesMax longest frame, bytes; at least LIVE_PARTIAL_BYTES_LEAST */
  constructor(
    frameBytesMax: number = LIVE_PARTIAL_BYTES_MAX,
    pendingBytesMax: number = LIVE_PENDING_BYTES_MAX,
  ) {
    this.#frameBytesMax = frameBytesMax;
    this.#pendingBytesMax = pendingBytesMax;
  }

  /** Memory of all changes that wait, bytes. */
  get pendingBytes(): number {
    let sum = 0;
    for (const lane of this.#lanes.values()) sum += lane.bytes;
    return sum;
  }

  /**
   * Begins with a partition that stands at `offset`.
   *
   * @param seriesOf the names of a series that stands in its deltas
   */
  open(partition: number, offset: number, seriesOf: (series: number) => LiveSeriesName): void {
    this.#lanes.set(partition, {
      partition,
      seriesOf,
      fromOffset: offset,
      toOffset: offset,
      firstReceivedAtMs: 0,
      lastReceivedAtMs: 0,
      deltas: [],
      bytes: 0,
      commits: 0,
      takenAtMs: 0,
    });
  }

  /** Ends with a partition: the frames of what is left of it. */
  close(partition: number, nowMs: number, completeUntilMs: number): LiveFrame[] {
    const lane = this.#laneOf(partition);
    this.#lanes.delete(partition);
    return lane.commits === 0 ? [] : this.#take(lane, nowMs, completeUntilMs);
  }

  /** Takes in a commit that is in the store. Throws on one that does not follow the last. */
  note(partition: number, commit: LiveCommit): void {
    const lane = this.#laneOf(partition);
    if (commit.fromOffset !== lane.toOffset || commit.toOffset < commit.fromOffset) {
      throw new Error(
        `partition ${partition}: a commit from ${commit.fromOffset} to ${commit.toOffset} ` +
          `does not follow ${lane.toOffset}`,
      );
    }
    if (lane.commits === 0) lane.firstReceivedAtMs = commit.firstReceivedAtMs;
    lane.lastReceivedAtMs = commit.lastReceivedAtMs;
    lane.toOffset = commit.toOffset;
    lane.commits++;
    if (commit.delta === null) return;
    lane.deltas.push(commit.delta);
    lane.bytes += commit.delta.length;
    if (commit.delta.length > this.#pendingBytesMax / 2) this.#drop(lane);
    else if (lane.bytes > this.#pendingBytesMax) this.#shrink(lane);
  }

  /** What a partition committed that was not taken yet: up to `toOffset`. */
  waiting(partition: number): Pick<LivePartialInput, "deltas" | "seriesOf" | "toOffset"> {
    const { deltas, seriesOf, toOffset } = this.#laneOf(partition);
    return { deltas, seriesOf, toOffset };
  }

  /** Time until something is due, ms; 0 = now, Infinity = there is no partition. */
  dueInMs(nowMs: number): number {
    let due = Infinity;
    for (const lane of this.#lanes.values()) {
      // Bounded, so that a clock that was set back silences nobody for longer.
      due = Math.min(due, LIVE_IDLE_MS, dueAtMs(lane) - nowMs);
    }
    return Math.max(0, due);
  }

  /** The frames of all partitions that are due; of each in its order. */
  takeDue(nowMs: number, completeUntil: CompleteUntil): LiveFrame[] {
    const frames: LiveFrame[] = [];
    for (const lane of this.#lanes.values()) {
      // A clock that was set back must not silence a partition until it has caught up.
      if (lane.takenAtMs > nowMs) lane.takenAtMs = nowMs;
      if (dueAtMs(lane) > nowMs) continue;
      frames.push(...this.#take(lane, nowMs, completeUntil(lane.partition)));
    }
    return frames;
  }

  #laneOf(partition: number): Lane {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) throw new Error(`partition ${partition} is not open`);
    return lane;
  }

  #take(lane: Lane, nowMs: number, completeUntilMs: number): LiveFrame[] {
    const frames = encodeLivePartials(
      { ...lane, publishedAtMs: nowMs, completeUntilMs },
      this.#frameBytesMax,
    );
    lane.takenAtMs = nowMs;
    this.#startAnew(lane, lane.toOffset);
    return frames.map((bytes) => ({ partition: lane.partition, bytes }));
  }

  /** Makes room: everything that waits becomes one delta, or is dropped when that is too much. */
  #shrink(lane: Lane): void {
    const most = this.#pendingBytesMax / 2;
    const merged = mergedBytesLeast(lane.deltas) > most ? null : mergeEncodedDeltas(lane.deltas);
    if (merged === null || merged.length > most) {
      this.#drop(lane);
    } else {
      lane.deltas = [merged];
      lane.bytes = merged.length;
    }
  }

  #drop(lane: Lane): void {
    this.dropped += lane.commits;
    this.#startAnew(lane, lane.toOffset);
  }

  #startAnew(lane: Lane, offset: number): void {
    lane.fromOffset = offset;
    lane.firstReceivedAtMs = 0;
    lane.lastReceivedAtMs = 0;
    lane.deltas = [];
    lane.bytes = 0;
    lane.commits = 0;
  }
}

function dueAtMs(lane: Lane): number {
  if (lane.takenAtMs === 0) return 0;
  return lane.takenAtMs + (lane.commits > 0 ? LIVE_PUBLISH_MS : LIVE_IDLE_MS);
}
