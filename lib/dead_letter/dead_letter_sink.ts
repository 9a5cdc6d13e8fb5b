/**
 * The DeadLetterSink port: where shards set lines aside that can't become events.
 *
 * Contract: put() resolves once every letter is durable (fsync / acks=all), and a shard waits for
 * that before it commits an offset past the line. Putting a letter that is there already changes
 * nothing, so a shard that begins anew puts the same letters again. A failed put rejects with a
 * DeadLetterError, and then none or only some of the letters are there.
 */
import type { DeadLetter } from "./dead_letter.ts";

/** Takes letters. */
export interface DeadLetterSink {
  /** Resolves when all are durable. Throws DeadLetterError. */
  put(letters: readonly DeadLetter[]): Promise<void>;
  close(): Promise<void>;
}

/** Stable codes of a place for dead letters that cannot do its work. */
export type DeadLetterErrorCode =
  | "RTA_DEAD_LETTERS_UNAVAILABLE"
  | "RTA_DEAD_LETTERS_FULL"
  | "RTA_DEAD_LETTERS_CORRUPT";

/** An operating failure. */
export class DeadLetterError extends Error {
  constructor(readonly code: DeadLetterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DeadLetterError";
  }
}
