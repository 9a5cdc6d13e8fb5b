/**
 * Histories of the users of one partition that were asked for lately, each brought up to date with
 * the rows since. To read all rows of a user takes milliseconds, of a very active one a hundred; the
 * new ones alone take next to nothing. Bounded in bytes: those not asked for the longest go first.
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
  readonly #store: PartitionStore;
  readonly #bytesMax: number;
  /** The one asked for the longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(store: PartitionStore, bytesMax: number) {
    this.#store = store;
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
   * The history of a user over all rows that are committed now. It may only be read until the next
   * wait. Rejects with the signal's reason soon after that is aborted, or with StoreError.
   */
  async of(user: UserName, signal: AbortSignal): Promise<UserHistory> {
    const toSeq = this.#store.nextSeq;
    const key = `${user.hash[1]}:${user.hash[0]}`;
    for (;;) {
      const entry = this.#entries.get(key) ?? this.#begin(key);
      if (entry.reading !== null) {
        await entry.reading;
        signal.throwIfAborted();
        // Should it have failed, the entry is gone, and whoever waited reads anew.
        continue;
      }
      if (entry.history.nextSeq < toSeq) await this.#bringUpToDate(key, entry, user, signal);
      this.#keep(key, entry);
      return entry.history;
    }
  }

  #begin(key: string): Entry {
    const entry: Entry = { history: new UserHistory(), bytes: 0, reading: null };
    this.#entries.set(key, entry);
    return entry;
  }

  async #bringUpToDate(
    key: string,
    entry: Entry,
    { project, hash }: UserName,
    signal: AbortSignal,
  ): Promise<void> {
    const { history } = entry;
    const fromSeq = history.nextSeq, toSeq = this.#store.nextSeq;
    const query = { project, userHash: hash, fromSeq, toSeq, fromMs: 0, toMs: END_OF_TIME_MS };
    const reading = this.#store.userRows(query, (rows) => history.addRows(rows), signal);
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
