/**
 * The log file of `make run`: whole lines, appended, and bounded in size.
 *
 * When the file would grow past its limit it is renamed to `NAME.1` (the one before that goes) and
 * begun anew, so the logs of an installation take at most twice the limit. Writes are synchronous:
 * they are small, and lines of several writers must not mix. A log that cannot be written (disk
 * full, folder gone) must never stop the platform: the log falls silent and says so once.
 */
import { dirname } from "node:path";
import { LOG_FILE_BYTES_MAX } from "../lib/config/limits.ts";

/** An append-only file that is set aside and begun anew at a size. */
export class RotatingLog {
  readonly #path: string;
  readonly #bytesMax: number;
  #file: Deno.FsFile | null = null;
  #size = 0;
  #failed = false;

  /**
   * Opens or continues the log.
   *
   * @param path the file; its folder is made
   * @param bytesMax size at which the file is set aside, bytes
   */
  constructor(path: string, bytesMax: number = LOG_FILE_BYTES_MAX) {
    this.#path = path;
    this.#bytesMax = bytesMax;
    this.#guard(() => {
      Deno.mkdirSync(dirname(path), { recursive: true });
      this.#open();
    });
  }

  /** Appends whole lines; one call's lines stay together in one file. Never throws. */
  write(lines: Uint8Array): void {
    if (this.#failed) return;
    this.#guard(() => {
      if (this.#size > 0 && this.#size + lines.length > this.#bytesMax) this.#rotate();
      let written = 0;
      while (written < lines.length) {
        written += this.#file!.writeSync(lines.subarray(written));
      }
      this.#size += lines.length;
    });
  }

  /** Closes the file; later writes are dropped. */
  close(): void {
    this.#failed = true;
    this.#file?.close();
    this.#file = null;
  }

  #open(): void {
    this.#file = Deno.openSync(this.#path, { append: true, create: true });
    this.#size = this.#file.statSync().size;
  }

  #rotate(): void {
    this.#file!.close();
    this.#file = null;
    Deno.renameSync(this.#path, `${this.#path}.1`);
    this.#open();
  }

  /** Runs a step; the first failure is reported and ends the log. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.close();
      console.error(`No more logs go to ${this.#path}: ${(error as Error).message}`);
    }
  }
}
