/**
 * The sessions of one user: of each its first and last event, and how many it has. Sessions are
 * found by their 64-bit hash, in an open-addressing table of indexes into columns, because a user
 * may have tens of thousands of them and each part of a session has to find its own.
 *
 * Events are ordered by time, those of equal times by their order in the log: parts come in that
 * order, so of two at one time the first to come is the earlier one.
 */

import type { SessionPartChunk } from "./session_part.ts";

/** One session. */
export interface UserSession {
  /** hash64 of project and session, [low, high]. */
  readonly hash: readonly [low: number, high: number];
  /** As the client named it; null = it is derived, undefined = not looked up. */
  readonly id: string | null | undefined;
  /** Time of the first event, ms since the epoch. */
  readonly startMs: number;
  /** Type of the first event. */
  readonly entryType: string;
  /** Time of the last event. */
  readonly endMs: number;
  /** Type of the last event. */
  readonly exitType: string;
  readonly events: number;
  /** Least and greatest place of its rows in the log of the partition. */
  readonly minSeq: number;
  readonly maxSeq: number;
}

/** Where a session stands, newest first: by its start, then by its hash as a number. */
export interface SessionPlace {
  readonly startMs: number;
  readonly low: number;
  readonly high: number;
}

/** Which sessions are asked for: those that start in [fromMs, toMs). */
export interface SessionQuery {
  readonly fromMs: number;
  readonly toMs: number;
  /** Page on: only sessions after this place, newest first. */
  readonly before: SessionPlace | null;
  readonly limit: number;
}

/** A page of sessions, and sums over all sessions that start in the range. */
export interface SessionPage {
  /** Newest first. */
  readonly sessions: readonly UserSession[];
  readonly count: number;
  /** Events of these sessions. */
  readonly events: number;
  /** Of all durations, first to last event, ms. */
  readonly durationMs: number;
}

/** Rows [fromSeq, toSeq). */
export interface SeqRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** Where the newest events of a range are: the first `limit` that are there are the newest. */
export interface NewestPlaces {
  /** They are not older than this, ms since the epoch. */
  readonly fromMs: number;
  /** In any order; may overlap. */
  readonly ranges: readonly SeqRange[];
  /** Whether the ids of all their sessions are known. */
  readonly areNamed: boolean;
}

const CAPACITY_MIN = 4;
/** Bytes of one session in the columns and the table, its id apart. */
const SESSION_BYTES = 8 + 4 * 8 + 4 + 2 * 4 + 2 * 4;
/** Ids of the sessions of so few parts are kept: of more, most are never asked for. */
const NAMED_PARTS_MAX = 1_024;
/** Bytes of an id that is kept, beside its text. */
const ID_BYTES = 64;

/** The id of a derived session: its hash as 16 lower-case hex digits. */
export function derivedSessionId(low: number, high: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

export class SessionTable {
  #count = 0;
  #hash = new Uint32Array(2 * CAPACITY_MIN);
  #startMs = new Float64Array(CAPACITY_MIN);
  #endMs = new Float64Array(CAPACITY_MIN);
  #minSeq = new Float64Array(CAPACITY_MIN);
  #maxSeq = new Float64Array(CAPACITY_MIN);
  #events = new Uint32Array(CAPACITY_MIN);
  readonly #entryType: string[] = [];
  readonly #exitType: string[] = [];
  /** Those that are known, by index of the session. */
  readonly #ids = new Map<number, string | null>();
  #idBytes = 0;
  /** Index of a session + 1; 0 = empty. */
  #slots = new Int32Array(2 * CAPACITY_MIN);

  get count(): number {
    return this.#count;
  }

  /** Roughly what it takes of memory. */
  get byteSize(): number {
    return this.#startMs.length * SESSION_BYTES + this.#idBytes;
  }

  /** Counts parts of sessions; those of equal times come in the order of the log. */
  addParts(parts: SessionPartChunk): void {
    const { count, sessionHash, minSeq, maxSeq, firstMs, lastMs, events, types } = parts;
    for (let part = 0; part < count; part++) {
      const at = this.#of(sessionHash[2 * part], sessionHash[2 * part + 1]);
      const entryType = types.get(parts.firstSeries[part])!;
      const exitType = types.get(parts.lastSeries[part])!;
      this.#widen(at, firstMs[part], entryType, lastMs[part], exitType);
      this.#minSeq[at] = Math.min(this.#minSeq[at], minSeq[part]);
      this.#maxSeq[at] = Math.max(this.#maxSeq[at], maxSeq[part]);
      this.#events[at] += events[part];
      if (count <= NAMED_PARTS_MAX && !this.#ids.has(at)) this.#setId(at, parts.sessionId(part));
    }
  }

  /** Adds what another partition knows of a session: partitions come in their order. */
  merge(session: UserSession): void {
    const at = this.#of(...session.hash);
    this.#widen(at, session.startMs, session.entryType, session.endMs, session.exitType);
    this.#minSeq[at] = Math.min(this.#minSeq[at], session.minSeq);
    this.#maxSeq[at] = Math.max(this.#maxSeq[at], session.maxSeq);
    this.#events[at] += session.events;
    if (session.id !== undefined) this.#setId(at, session.id);
  }

  /** The id of a session; null = it is derived, undefined = not known. */
  idOf([low, high]: readonly [low: number, high: number]): string | null | undefined {
    return this.#ids.get(this.#find(low, high));
  }

  /** Keeps the id of a session that it has. */
  setId([low, high]: readonly [low: number, high: number], id: string | null): void {
    const at = this.#find(low, high);
    if (at >= 0) this.#setId(at, id);
  }

  /** One page of the sessions of a range, and sums over the range. */
  page({ fromMs, toMs, before, limit }: SessionQuery): SessionPage {
    let count = 0, events = 0, durationMs = 0;
    const newest = new NewestFirst(limit, (a, b) => this.#isNewer(a, b));
    // The table fills roughly by time: from its end on, most of the rest is too old at once.
    for (let at = this.#count - 1; at >= 0; at--) {
      const startMs = this.#startMs[at];
      if (startMs < fromMs || startMs >= toMs) continue;
      count++;
      events += this.#events[at];
      durationMs += this.#endMs[at] - startMs;
      if (limit > 0 && (before === null || this.#isAfter(before, at))) newest.add(at);
    }
    const sessions = newest.indexes.map((at) => this.#session(at));
    return { sessions, count, events, durationMs };
  }

  /** All sessions, in no order. */
  all(): UserSession[] {
    return Array.from({ length: this.#count }, (_, at) => this.#session(at));
  }

  /**
   * Where the newest `limit` events of [fromMs, toMs) are, of which those from `doubtMs` on may not
   * count; null = only in more than `rowsMax` rows.
   */
  newestPlaces(
    { fromMs, toMs, doubtMs, limit, rowsMax }: {
      fromMs: number;
      toMs: number;
      doubtMs: number;
      limit: number;
      rowsMax: number;
    },
  ): NewestPlaces | null {
    const newest = new NewestFirst(limit, (a, b) => this.#startMs[a] > this.#startMs[b]);
    const sureMs = Math.min(doubtMs, toMs);
    for (let at = this.#count - 1; at >= 0; at--) {
      if (this.#endMs[at] < sureMs && this.#startMs[at] >= fromMs) newest.add(at);
    }
    // From the start of one of these sessions on, they alone have enough events.
    let sure = 0, sinceMs = fromMs;
    for (const at of newest.indexes) {
      sure += this.#events[at];
      if (sure < limit) continue;
      sinceMs = this.#startMs[at];
      break;
    }
    let rows = 0, areNamed = true;
    const ranges: SeqRange[] = [];
    for (let at = this.#count - 1; at >= 0; at--) {
      if (this.#endMs[at] < sinceMs || this.#startMs[at] >= toMs) continue;
      rows += this.#events[at];
      if (rows > rowsMax) return null;
      areNamed &&= this.#ids.has(at);
      ranges.push({ fromSeq: this.#minSeq[at], toSeq: this.#maxSeq[at] + 1 });
    }
    return { fromMs: sinceMs, ranges, areNamed };
  }

  #session(at: number): UserSession {
    return {
      hash: [this.#hash[2 * at], this.#hash[2 * at + 1]],
      id: this.#ids.get(at),
      startMs: this.#startMs[at],
      entryType: this.#entryType[at],
      endMs: this.#endMs[at],
      exitType: this.#exitType[at],
      events: this.#events[at],
      minSeq: this.#minSeq[at],
      maxSeq: this.#maxSeq[at],
    };
  }

  /** Lets a session begin and end with these events, where they are further out. */
  #widen(at: number, startMs: number, entryType: string, endMs: number, exitType: string): void {
    if (startMs < this.#startMs[at]) {
      this.#startMs[at] = startMs;
      this.#entryType[at] = entryType;
    }
    if (endMs >= this.#endMs[at]) {
      this.#endMs[at] = endMs;
      this.#exitType[at] = exitType;
    }
  }

  #setId(at: number, id: string | null): void {
    if (!this.#ids.has(at)) this.#idBytes += ID_BYTES + 2 * (id?.length ?? 0);
    this.#ids.set(at, id);
  }

  /** Whether session a stands before session b, newest first. */
  #isNewer(a: number, b: number): boolean {
    const startA = this.#startMs[a], startB = this.#startMs[b];
    if (startA !== startB) return startA > startB;
    const highA = this.#hash[2 * a + 1], highB = this.#hash[2 * b + 1];
    return highA === highB ? this.#hash[2 * a] > this.#hash[2 * b] : highA > highB;
  }

  /** Whether a session stands after a place, newest first. */
  #isAfter(place: SessionPlace, at: number): boolean {
    const startMs = this.#startMs[at];
    if (startMs !== place.startMs) return startMs < place.startMs;
    const high = this.#hash[2 * at + 1];
    return high === place.high ? this.#hash[2 * at] < place.low : high < place.high;
  }

  /** Index of a session, which is begun if it is not there. */
  #of(low: number, high: number): number {
    const known = this.#find(low, high);
    return known < 0 ? this.#append(low, high) : known;
  }

  /** Index of a session; -1 = it is not there. */
  #find(low: number, high: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = (low ^ high) & mask;; slot = (slot + 1) & mask) {
      const at = this.#slots[slot] - 1;
      if (at < 0) return -1;
      if (this.#hash[2 * at] === low && this.#hash[2 * at + 1] === high) return at;
    }
  }

  #append(low: number, high: number): number {
    const at = this.#count++;
    if (at === this.#startMs.length) this.#grow();
    this.#hash[2 * at] = low;
    this.#hash[2 * at + 1] = high;
    this.#startMs[at] = this.#minSeq[at] = Infinity;
    this.#endMs[at] = this.#maxSeq[at] = -Infinity;
    this.#place(at);
    return at;
  }

  #place(at: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hash[2 * at] ^ this.#hash[2 * at + 1]) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = at + 1;
  }

  /** Doubles the room. */
  #grow(): void {
    const before = this.#startMs.length;
    this.#startMs = widened(this.#startMs, new Float64Array(2 * before));
    this.#endMs = widened(this.#endMs, new Float64Array(2 * before));
    this.#minSeq = widened(this.#minSeq, new Float64Array(2 * before));
    this.#maxSeq = widened(this.#maxSeq, new Float64Array(2 * before));
    this.#events = widened(this.#events, new Uint32Array(2 * before));
    this.#hash = widened(this.#hash, new Uint32Array(4 * before));
    this.#slots = new Int32Array(4 * before);
    for (let at = 0; at < before; at++) this.#place(at);
  }
}

/** Up to `limit` indexes, in the order that `isBefore` says. */
class NewestFirst {
  readonly indexes: number[] = [];

  constructor(
    readonly limit: number,
    readonly isBefore: (a: number, b: number) => boolean,
  ) {}

  add(at: number): void {
    const { indexes, limit, isBefore } = this;
    if (indexes.length === limit && (limit === 0 || !isBefore(at, indexes[limit - 1]))) return;
    let low = 0, high = indexes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(indexes[middle], at)) low = middle + 1;
      else high = middle;
    }
    indexes.splice(low, 0, at);
    if (indexes.length > limit) indexes.pop();
  }
}

function widened<Column extends Float64Array | Uint32Array>(column: Column, wide: Column): Column {
  wide.set(column);
  return wide;
}
