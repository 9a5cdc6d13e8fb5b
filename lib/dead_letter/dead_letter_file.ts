/**
 * DeadLetterFile: the dead letters of a folder, in one SQLite file. Shards put letters, the main
 * thread searches, shows, marks and drops them; each thread opens a DeadLetterFile of its own, and
 * processes may share the folder.
 *
 * Nothing here holds a lock across an `await`. Where another thread is writing, the work is tried
 * again until it is done or DEAD_LETTERS_BUSY_MS_MAX have passed; the thread serves others
 * meanwhile. What is kept is bounded, so that a flood of garbage can't fill the disk: the put that
 * goes past the bound makes room, first of letters that were replayed, then of the oldest, which
 * are counted as forgotten.
 */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import {
  DEAD_LETTERS_BUSY_MS_MAX,
  DEAD_LETTERS_BYTES_MAX,
  DEAD_LETTERS_MAX,
  DEAD_LETTERS_PAGE_BYTES,
  DEAD_LETTERS_PAGE_MAX,
} from "../config/limits.ts";
import type { DeadLetter, KeptDeadLetter } from "./dead_letter.ts";
import type { DeadLetterSink } from "./dead_letter_sink.ts";
import {
  deadLetterPath,
  inTransaction,
  isBusy,
  openTables,
  toDeadLetterError,
} from "./dead_letter_tables.ts";
import {
  deleteLetters,
  deleteOldest,
  insertLetters,
  letterById,
  letterBySeq,
  markLetters,
  type ReplayMark,
  seqsOfIds,
} from "./letter_rows.ts";
import { type DeadLetterFilter, type LetterPlace, LetterSearch } from "./letter_search.ts";
import { LetterTally } from "./letter_tally.ts";

export interface DeadLetterFileOptions {
  /** The folder of the store's files; made when missing. */
  readonly folder: string;
  /** Told how many letters that waited were forgotten to make room for new ones. */
  readonly onForgotten?: (letters: number) => void;
  /** Most letters kept. */
  readonly lettersMax?: number;
  /** Most bytes kept. */
  readonly bytesMax?: number;
}

/** How far a partition of a topic of dead letters has been read in. */
export interface IndexedPlace {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
}

/** What is kept altogether. */
export interface DeadLetterTotals {
  readonly letters: number;
  /** Of them, those that were not replayed. */
  readonly waiting: number;
  readonly bytes: number;
  /** Letters that waited and had to go for lack of room, since the file was made. */
  readonly forgotten: number;
}

/** What is kept of one reason in one project. */
export interface ReasonCount {
  readonly project: string;
  readonly reason: string;
  readonly letters: number;
  readonly waiting: number;
}

/** Some letters, newest first. */
export interface DeadLetterPage {
  readonly letters: readonly KeptDeadLetter[];
  /** What the following page is after; null = there is none. */
  readonly next: LetterPlace | null;
}

/** Longest wait before the next attempt, ms. */
const RETRY_MS_MAX = 10;
/** Free pages that are left in the file for what comes next. */
const FREE_PAGES_KEPT = 1_024;
/** Pages that one call of shrink() gives back, some milliseconds' work. */
const SHRINK_PAGES = 512;

/** Opens the dead letters of a folder. Throws DeadLetterError. */
export async function openDeadLetterFile(options: DeadLetterFileOptions): Promise<DeadLetterFile> {
  const { folder } = options;
  const doing = `cannot open ${deadLetterPath(folder)}`;
  return new DeadLetterFile(await patiently(doing, () => openTables(folder)), options);
}

/** See the head of this file. Every method throws DeadLetterError when the file fails. */
export class DeadLetterFile implements DeadLetterSink {
  readonly #db: DatabaseSync;
  readonly #options: DeadLetterFileOptions;

  constructor(db: DatabaseSync, options: DeadLetterFileOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Keeps the letters; those whose id is known stay as they are. Durable when resolved. */
  async put(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length > 0) await this.#put(letters, null);
  }

  /** The same for letters read from a topic, together with how far that was read. */
  async putIndexed(letters: readonly DeadLetter[], place: IndexedPlace): Promise<void> {
    await this.#put(letters, place);
  }

  /** Where to read on in a partition of a topic of dead letters; null = never read. */
  indexedOffset(topic: string, partition: number): Promise<number | null> {
    return this.#read(() => {
      const select = "SELECT next_offset FROM offsets WHERE topic = ? AND partition = ?";
      const row = this.#db.prepare(select).get(topic, partition);
      return row === undefined ? null : row.next_offset as number;
    });
  }

  /** The letter of this id, or null; with a project, only if it belongs to that. */
  async get(id: string, project?: string): Promise<KeptDeadLetter | null> {
    const letter = await this.#read(() => letterById(this.#db, id));
    return project === undefined || letter?.project === project ? letter : null;
  }

  /**
   * Letters that match, newest first: `limit` of them, or fewer when their payloads come to
   * DEAD_LETTERS_PAGE_BYTES.
   */
  async page(
    filter: DeadLetterFilter,
    limit: number,
    after: LetterPlace | null = null,
  ): Promise<DeadLetterPage> {
    // One more than the page shows whether another page follows.
    const places = await this.#find(filter, limit + 1, after);
    const letters: KeptDeadLetter[] = [];
    let payloadBytes = 0;
    let last: LetterPlace | null = null;
    for (const place of places.slice(0, limit)) {
      if (payloadBytes >= DEAD_LETTERS_PAGE_BYTES) return { letters, next: last };
      const letter = await this.#read(() => letterBySeq(this.#db, place.seq));
      last = place;
      if (letter === null) continue; // dropped since it was found
      letters.push(letter);
      payloadBytes += letter.payload.length;
    }
    return { letters, next: places.length > limit ? last : null };
  }

  /** Notes that the events of these letters were accepted; gives how many were not noted before. */
  markReplayed(marks: readonly ReplayMark[], atMs: number): Promise<number> {
    return this.#write((tally) => markLetters(this.#db, marks, atMs, tally));
  }

  /** Drops the letters of these ids; gives how many there were. */
  dropIds(ids: readonly string[], project?: string): Promise<number> {
    return this.#write((tally) => {
      const seqs = seqsOfIds(this.#db, ids, project ?? null);
      return deleteLetters(this.#db, seqs, tally);
    });
  }

  /** Drops the letters that match; gives how many there were. */
  async drop(filter: DeadLetterFilter): Promise<number> {
    const search = await this.#read(() => new LetterSearch(this.#db, filter));
    let dropped = 0;
    for (let at: LetterPlace | null = search.start; at !== null;) {
      const after: LetterPlace = at;
      const { found, next } = await this.#read(() => search.slice(after, DEAD_LETTERS_PAGE_MAX));
      const seqs = found.map(({ seq }) => seq);
      if (seqs.length > 0) {
        dropped += await this.#write((tally) => deleteLetters(this.#db, seqs, tally));
      }
      await turn();
      at = next;
    }
    return dropped;
  }

  /** What is kept by project and reason; of one project, or of all. */
  counts(project?: string): Promise<ReasonCount[]> {
    return this.#read(() => {
      const select = `SELECT project, reason, letters, waiting FROM counts
        WHERE ?1 IS NULL OR project = ?1 ORDER BY waiting DESC, reason, project`;
      const found = this.#db.prepare(select).all(project ?? null);
      return found.map((row) => ({ ...row }) as unknown as ReasonCount);
    });
  }

  /** What is kept altogether. */
  totals(): Promise<DeadLetterTotals> {
    return this.#read(() => this.#totals());
  }

  /** Gives a few MiB back to the file system where much is free. Call it now and then. */
  async shrink(): Promise<void> {
    const [free, all] = await this.#read(() => [
      this.#pragma("freelist_count"),
      this.#pragma("page_count"),
    ]);
    if (free < FREE_PAGES_KEPT || 2 * free < all) return;
    // all(), because each step of this statement moves one page, and exec() takes one step.
    await this.#write(() => this.#db.prepare(`PRAGMA incremental_vacuum(${SHRINK_PAGES})`).all());
  }

  close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
    return Promise.resolve();
  }

  async #put(letters: readonly DeadLetter[], place: IndexedPlace | null): Promise<void> {
    const forgotten = await this.#write((tally) => {
      insertLetters(this.#db, letters, tally);
      tally.write(this.#db);
      if (place !== null) {
        const { topic, partition, nextOffset } = place;
        this.#db.prepare("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)")
          .run(topic, partition, nextOffset);
      }
      return this.#makeRoom(tally);
    });
    if (forgotten > 0) this.#options.onForgotten?.(forgotten);
  }

  /** Deletes what is too much; gives how many of them waited. */
  #makeRoom(tally: LetterTally): number {
    const { lettersMax = DEAD_LETTERS_MAX, bytesMax = DEAD_LETTERS_BYTES_MAX } = this.#options;
    const { letters, bytes } = this.#totals();
    const excess = { letters: letters - lettersMax, bytes: bytes - bytesMax };
    if (excess.letters <= 0 && excess.bytes <= 0) return 0;
    deleteOldest(this.#db, "replayed", excess, tally);
    const forgotten = deleteOldest(this.#db, "waiting", excess, tally);
    this.#db.prepare("UPDATE totals SET forgotten = forgotten + ?").run(forgotten);
    return forgotten;
  }

  /** Places of letters that match, in slices. */
  async #find(
    filter: DeadLetterFilter,
    count: number,
    after: LetterPlace | null,
  ): Promise<LetterPlace[]> {
    const places: LetterPlace[] = [];
    const search = await this.#read(() => new LetterSearch(this.#db, filter));
    let at: LetterPlace = furtherOn(after ?? search.start, search.start);
    for (;;) {
      const { found, next } = await this.#read(() => search.slice(at, count - places.length));
      places.push(...found);
      if (next === null || places.length >= count) return places;
      at = next;
      await turn();
    }
  }

  #totals(): DeadLetterTotals {
    return { ...this.#db.prepare("SELECT * FROM totals").get() } as unknown as DeadLetterTotals;
  }

  #pragma(name: string): number {
    return this.#db.prepare(`PRAGMA ${name}`).get()?.[name] as number;
  }

  #read<T>(work: () => T): Promise<T> {
    return patiently("cannot read the dead letters", work);
  }

  /** Runs `work` in one transaction and writes what it tallied. */
  #write<T>(work: (tally: LetterTally) => T): Promise<T> {
    return patiently("cannot write the dead letters", () =>
      inTransaction(this.#db, () => {
        const tally = new LetterTally();
        const result = work(tally);
        tally.write(this.#db);
        return result;
      }));
  }
}

/** The place that comes later in newest-first order. */
function furtherOn(a: LetterPlace, b: LetterPlace): LetterPlace {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs ? a : b;
  return a.seq < b.seq ? a : b;
}

/** Does the work, again and again while another connection is in the way. */
async function patiently<T>(doing: string, work: () => T): Promise<T> {
  const giveUpAtMs = performance.now() + DEAD_LETTERS_BUSY_MS_MAX;
  for (;;) {
    try {
      return work();
    } catch (error) {
      // What was given is wrong then, not the file.
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      if (!isBusy(error) || performance.now() > giveUpAtMs) throw toDeadLetterError(error, doing);
    }
    // By chance, so that threads do not come back at the same moment; SQLite has no signal for it.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * RETRY_MS_MAX));
  }
}

/** Lets what waits on this thread be done. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
