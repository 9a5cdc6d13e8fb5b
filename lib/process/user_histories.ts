/**
 * Histories of the users that were asked for lately, of all partitions of a shard, each brought up
 * to date with the rows since. To read all that is known of a user takes milliseconds, of a very
 * active one dozens; what is new alone takes next to nothing. Bounded in bytes: those not asked for
 * the longest go first. One that would take more than half of all is read anew each time, rather
 * than have all others forgotten.
 *
 * A history is a function of the rows before `nextSeq`, so it can never be stale, only short.
 */

import { UserHistory } from "../query/user/user_history.ts";
import type { PartitionStore } from "../store/event_store.ts";

/** Later than any event time that ingest accepts, ms since the epoch (year 9999). */
const END_OF_TIME_MS = 253_402_300_800_000;

/** One user, by name and by hash. */
export interface UserName {
  readonly project: string;
  readonly userId: string;
  /** hash64 of project and user id. */
  readonly hash: readonly [low: number, high: number];
}

interface Entry {
  readonly history: UserHistory;
  bytes: number;
  /** The end of the reading under way, which never rejects; null = there is none. */
  reading: Promise<void> | null;
}

export class UserHistories {
  readonly #bytesMax: number;
  /** The one asked for the longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  /** Tells stores apart: a partition that comes back has another one. */
  readonly #serials = new WeakMap<PartitionStore, number>();
  #stores = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of the histories that are kept, roughly. */
  get byteSize(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The history of a user over all rows that a store has committed by now. It may only be read until
   * the next wait. Rejects with the signal's reason soon after that is aborted, or with StoreError.
   */
  async of(store: PartitionStore, user: UserName, signal: AbortSignal): Promise<UserHistory> {
    const toSeq = store.nextSeq;
    const key = `${this.#serialOf(store)}:${user.hash[1]}:${user.hash[0]}`;
    for (;;) {
      const entry = this.#entries.get(key) ?? this.#begin(key);
      if (entry.reading !== null) {
        await entry.reading;
        signal.throwIfAborted();
        // Should it have failed, the entry is gone, and whoever waited reads anew.
        continue;
      }
      if (entry.history.nextSeq < toSeq) {
        await this.#bringUpToDate(key, entry, store, user, signal);
      }
      this.#keep(key, entry);
      return entry.history;
    }
  }

  #serialOf(store: PartitionStore): number {
    let serial = this.#serials.get(store);
    if (serial === undefined) this.#serials.set(store, serial = ++this.#stores);
    return serial;
  }

  #begin(key: string): Entry {
    const entry: Entry = { history: new UserHistory(), bytes: 0, reading: null };
    this.#entries.set(key, entry);
    return entry;
  }

  async #bringUpToDate(
    key: string,
    entry: Entry,
    store: PartitionStore,
    { project, hash }: UserName,
    signal: AbortSignal,
  ): Promise<void> {
    const { history } = entry;
    const fromSeq = history.nextSeq, toSeq = store.nextSeq;
    const query = { project, userHash: hash, fromSeq, toSeq, fromMs: 0, toMs: END_OF_TIME_MS };
    const reading = store.sessionParts(query, (parts) => history.addParts(parts), signal);
    const done = reading.then(() => {
      history.nextSeq = toSeq;
    }, (error) => {
      // It has some of the rows, nobody knows which.
      this.#drop(key, entry);
      throw error;
    }).finally(() => entry.reading = null);
    entry.reading = done.catch(() => {});
    await done;
  }

  /** Puts an entry last, and forgets the first ones while there are too many bytes. */
  #keep(key: string, entry: Entry): void {
    if (this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.history.byteSize - entry.bytes;
    entry.bytes = entry.history.byteSize;
    if (entry.bytes > this.#bytesMax / 2) this.#drop(key, entry);
    for (const [other, each] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#drop(other, each);
    }
  }

  #drop(key: string, entry: Entry): void {
    if (this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    entry.bytes = 0;
  }
}
