/**
 * The book of keys as a server has it: in memory, looked for changes each second, with the last uses
 * of keys written back each minute. While the file is broken the last good book stays in use, and
 * `failure` says what is wrong.
 */
import { KEY_FILE_LOOK_MS, KEY_USE_GRAIN_MS } from "../config/access_limits.ts";
import { type KeyBook, noteUses } from "./key_book.ts";
import { changeKeyFile, keyFileMark, readKeyFile } from "./key_file.ts";

export interface KeyWatchOptions {
  readonly path: string;
  /** Called each second, when the book is as fresh as it gets. */
  readonly onLook: () => void;
  /** Told of each book that takes the place of another. */
  readonly onChange: (book: KeyBook) => void;
  /** Told when the file breaks, with why; null = it is whole again. */
  readonly onFailure: (failure: Error | null) => void;
  /** Told when last uses can't be written, once. */
  readonly onUnwritable: (failure: Error) => void;
}

/** One for a process. */
export class KeyWatch {
  readonly #options: KeyWatchOptions;
  readonly #timers: ReturnType<typeof setInterval>[];
  /** By key id: last use, ms, cut to the grain; those that are not in the file yet. */
  #used = new Map<string, number>();
  #writing: Promise<void> = Promise.resolve();
  #isUnwritable = false;
  #mark: string;
  #book: KeyBook;
  #failure: string | null = null;

  /** @throws {KeyFileError} when the file is there and can't be used */
  constructor(options: KeyWatchOptions) {
    this.#options = options;
    this.#mark = keyFileMark(options.path);
    this.#book = readKeyFile(options.path);
    this.#timers = [
      setInterval(() => {
        this.look();
        options.onLook();
      }, KEY_FILE_LOOK_MS),
      setInterval(() => void this.#writeUses(), KEY_USE_GRAIN_MS),
    ];
  }

  get book(): KeyBook {
    return this.#book;
  }

  /** What is wrong with the file; null = nothing. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Reads the file again if it has changed. */
  look(): void {
    const { path, onChange, onFailure } = this.#options;
    const mark = keyFileMark(path);
    if (mark === this.#mark) return;
    try {
      this.#book = readKeyFile(path);
    } catch (error) {
      const failure = error as Error;
      this.#mark = mark;
      if (this.#failure !== failure.message) onFailure(failure);
      this.#failure = failure.message;
      return;
    }
    this.#mark = mark;
    if (this.#failure !== null) onFailure(null);
    this.#failure = null;
    onChange(this.#book);
  }

  /** Changes the file and the book in use; see changeKeyFile. */
  async change<T extends { readonly book: KeyBook }>(make: (book: KeyBook) => T): Promise<T> {
    const made = await changeKeyFile(this.#options.path, make);
    this.look();
    return made;
  }

  /** Notes that a key was used. */
  noteUse(id: string, nowMs: number): void {
    const atMs = nowMs - nowMs % KEY_USE_GRAIN_MS;
    if (this.#used.get(id) !== atMs) this.#used.set(id, atMs);
  }

  /** Last use of a key, ms; null = none is known. */
  lastUseOf(id: string): number | null {
    const noted = this.#book.keys.find((key) => key.id === id)?.last_used_at;
    const used = Math.max(this.#used.get(id) ?? 0, noted === undefined ? 0 : Date.parse(noted));
    return used === 0 ? null : used;
  }

  /** Ends the watch, with the last uses written. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#writeUses();
  }

  #writeUses(): Promise<void> {
    return this.#writing = this.#writing.then(async () => {
      if (this.#used.size === 0 || this.#failure !== null) return;
      const used = this.#used;
      this.#used = new Map();
      try {
        await this.change((book) => ({ book: noteUses(book, used) }));
      } catch (error) {
        // They are shown from memory until then.
        for (const [id, atMs] of this.#used) used.set(id, atMs);
        this.#used = used;
        if (!this.#isUnwritable) this.#options.onUnwritable(error as Error);
        this.#isUnwritable = true;
      }
    });
  }
}
