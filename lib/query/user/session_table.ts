/**
 * The sessions of one user: of each its first and last event, and how many it has. Sessions are
 * found by their 64-bit hash, in an open-addressing table of indexes into columns, because a user
 * may have tens of thousands of them and each row of the user has to find its own.
 *
 * Events are ordered by time, those of equal times by their order in the log. `order` stands for the
 * latter: the row's sequence number within a partition, `orderOf` across partitions.
 */

/** One session. */
export interface UserSession {
  /** hash64 of project and session, [low, high]. */
  readonly hash: readonly [low: number, high: number];
  /** As the client named it; null = it is derived. */
  readonly id: string | null;
  /** Time of the first event, ms since the epoch. */
  readonly startMs: number;
  readonly startOrder: number;
  /** Type of the first event. */
  readonly entryType: string;
  /** Time of the last event. */
  readonly endMs: number;
  readonly endOrder: number;
  /** Type of the last event. */
  readonly exitType: string;
  readonly events: number;
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

const CAPACITY_MIN = 4;
/** Bytes of one session in the columns and the table, its id apart. */
const SESSION_BYTES = 8 + 6 * 8 + 3 * 8 + 2 * 4;
/** Sequence numbers stay below this, in a partition. */
const SEQ_MAX = 2 ** 40;

/** What orders events of equal times over all partitions: by partition, then by place in it. */
export function orderOf(partition: number, seq: number): number {
  return partition * SEQ_MAX + seq;
}

/** The id of a derived session: its hash as 16 lower-case hex digits. */
export function derivedSessionId(low: number, high: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

export class SessionTable {
  #count = 0;
  #hash = new Uint32Array(2 * CAPACITY_MIN);
  #startMs = new Float64Array(CAPACITY_MIN);
  #startOrder = new Float64Array(CAPACITY_MIN);
  #endMs = new Float64Array(CAPACITY_MIN);
  #endOrder = new Float64Array(CAPACITY_MIN);
  #events = new Float64Array(CAPACITY_MIN);
  readonly #entryType: string[] = [];
  readonly #exitType: string[] = [];
  readonly #ids: (string | null)[] = [];
  #idChars = 0;
  /** Index of a session + 1; 0 = empty. */
  #slots = new Int32Array(2 * CAPACITY_MIN);

  get count(): number {
    return this.#count;
  }

  /** Roughly what it takes of memory. */
  get byteSize(): number {
    return this.#startMs.length * SESSION_BYTES + 2 * this.#idChars;
  }

  /** Counts one event. `idOf` is called for the first one of a session. */
  add(
    low: number,
    high: number,
    timestampMs: number,
    order: number,
    type: string,
    idOf: () => string | null,
  ): void {
    const known = this.#find(low, high);
    if (known < 0) {
      const at = this.#append(low, high, idOf());
      this.#startMs[at] = this.#endMs[at] = timestampMs;
      this.#startOrder[at] = this.#endOrder[at] = order;
      this.#entryType[at] = this.#exitType[at] = type;
      this.#events[at] = 1;
      return;
    }
    this.#events[known]++;
    this.#widen(known, timestampMs, order, type, timestampMs, order, type);
  }

  /** Adds what another partition knows of a session. */
  merge(session: UserSession): void {
    const [low, high] = session.hash;
    const { startMs, startOrder, entryType, endMs, endOrder, exitType, events } = session;
    const known = this.#find(low, high);
    const at = known < 0 ? this.#append(low, high, session.id) : known;
    if (known < 0) {
      this.#startMs[at] = startMs;
      this.#startOrder[at] = startOrder;
      this.#entryType[at] = entryType;
      this.#endMs[at] = endMs;
      this.#endOrder[at] = endOrder;
      this.#exitType[at] = exitType;
    } else this.#widen(at, startMs, startOrder, entryType, endMs, endOrder, exitType);
    this.#events[at] += events;
  }

  /** One page of the sessions of a range, and sums over the range. */
  page({ fromMs, toMs, before, limit }: SessionQuery): SessionPage {
    let count = 0, events = 0, durationMs = 0;
    /** Indexes of the newest ones so far, newest first. */
    const newest: number[] = [];
    // The table fills roughly by time: from its end on, most of the rest is too old at once.
    for (let at = this.#count - 1; at >= 0; at--) {
      const startMs = this.#startMs[at];
      if (startMs < fromMs || startMs >= toMs) continue;
      count++;
      events += this.#events[at];
      durationMs += this.#endMs[at] - startMs;
      if (limit === 0) continue;
      if (newest.length === limit && !this.#isNewer(at, newest[limit - 1])) continue;
      if (before !== null && !this.#isAfter(before, at)) continue;
      let low = 0, high = newest.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.#isNewer(newest[middle], at)) low = middle + 1;
        else high = middle;
      }
      newest.splice(low, 0, at);
      if (newest.length > limit) newest.pop();
    }
    return { sessions: newest.map((at) => this.#session(at)), count, events, durationMs };
  }

  /** All sessions, in no order. */
  all(): UserSession[] {
    return Array.from({ length: this.#count }, (_, at) => this.#session(at));
  }

  #session(at: number): UserSession {
    return {
      hash: [this.#hash[2 * at], this.#hash[2 * at + 1]],
      id: this.#ids[at],
      startMs: this.#startMs[at],
      startOrder: this.#startOrder[at],
      entryType: this.#entryType[at],
      endMs: this.#endMs[at],
      endOrder: this.#endOrder[at],
      exitType: this.#exitType[at],
      events: this.#events[at],
    };
  }

  /** Lets a session begin and end with these events, where they are further out. */
  #widen(
    at: number,
    startMs: number,
    startOrder: number,
    entryType: string,
    endMs: number,
    endOrder: number,
    exitType: string,
  ): void {
    const firstMs = this.#startMs[at], lastMs = this.#endMs[at];
    if (startMs < firstMs || (startMs === firstMs && startOrder < this.#startOrder[at])) {
      this.#startMs[at] = startMs;
      this.#startOrder[at] = startOrder;
      this.#entryType[at] = entryType;
    }
    if (endMs > lastMs || (endMs === lastMs && endOrder > this.#endOrder[at])) {
      this.#endMs[at] = endMs;
      this.#endOrder[at] = endOrder;
      this.#exitType[at] = exitType;
    }
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

  /** Index of a session; -1 = it is not there. */
  #find(low: number, high: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = (low ^ high) & mask;; slot = (slot + 1) & mask) {
      const at = this.#slots[slot] - 1;
      if (at < 0) return -1;
      if (this.#hash[2 * at] === low && this.#hash[2 * at + 1] === high) return at;
    }
  }

  #append(low: number, high: number, id: string | null): number {
    const at = this.#count++;
    if (at === this.#startMs.length) this.#grow();
    this.#hash[2 * at] = low;
    this.#hash[2 * at + 1] = high;
    this.#ids.push(id);
    this.#idChars += id?.length ?? 0;
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
    const widened = (column: Float64Array) => {
      const wide = new Float64Array(2 * before);
      wide.set(column);
      return wide;
    };
    const hash = new Uint32Array(4 * before);
    hash.set(this.#hash);
    this.#hash = hash;
    this.#startMs = widened(this.#startMs);
    this.#startOrder = widened(this.#startOrder);
    this.#endMs = widened(this.#endMs);
    this.#endOrder = widened(this.#endOrder);
    this.#events = widened(this.#events);
    this.#slots = new Int32Array(4 * before);
    for (let at = 0; at < before; at++) this.#place(at);
  }
}
