/**
 * Lines of one partition that can't be events, from the moment they are met until they are durable
 * as dead letters. They are put before the commit that moves past them; a crash in between has the
 * same lines met again, and the same letters put again, which changes nothing.
 */
import { DEAD_LETTER_RETRY_MS } from "../lib/config/limits.ts";
import {
  type DeadLetter,
  type DeadLetterReason,
  makeDeadLetter,
} from "../lib/dead_letter/dead_letter.ts";
import { DeadLetterError, type DeadLetterSink } from "../lib/dead_letter/dead_letter_sink.ts";
import { linePlace, LogError, type LogRecord } from "../lib/log/event_log.ts";

/** About what a letter takes in memory beside its payload, bytes. */
const LETTER_BYTES = 512;

export interface SetAsideParts {
  readonly sink: DeadLetterSink;
  /** Topic that the letters are named by. */
  readonly topic: string;
  readonly now: () => number;
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

export class SetAside {
  readonly #parts: SetAsideParts;
  #letters: DeadLetter[] = [];
  #bytes = 0;
  /** Put and not told yet, by reason. */
  readonly #put = new Map<string, number>();

  constructor(parts: SetAsideParts) {
    this.#parts = parts;
  }

  /** Memory of what waits to be put, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether nothing waits to be put. */
  get isEmpty(): boolean {
    return this.#letters.length === 0;
  }

  add(
    record: LogRecord,
    index: number,
    line: Uint8Array,
    reason: DeadLetterReason,
    message: string,
  ): void {
    const { partition, project, receivedAtMs } = record;
    const { topic, now } = this.#parts;
    const letter = makeDeadLetter({
      ...linePlace(record, index),
      topic,
      partition,
      project,
      reason,
      message,
      timeMs: now(),
      receivedAtMs,
      payload: line,
    });
    this.#letters.push(letter);
    this.#bytes += LETTER_BYTES + letter.payload.length;
  }

  /**
   * Resolves when everything that was added, also meanwhile, is durable. Where it goes may be away
   * for a while: this waits then, and the partition's backlog stays in the log. Rejects when that
   * happens and `givesUp()`, or with what trying again can't help.
   */
  async put(givesUp: () => boolean): Promise<void> {
    while (this.#letters.length > 0) {
      const letters = this.#letters;
      this.#letters = [];
      this.#bytes = 0;
      await this.#putAll(letters, givesUp);
      for (const { reason } of letters) this.#put.set(reason, (this.#put.get(reason) ?? 0) + 1);
    }
  }

  /** How many letters were put, by reason, since forgetPut(). */
  get putCounts(): ReadonlyMap<string, number> {
    return this.#put;
  }

  forgetPut(): void {
    this.#put.clear();
  }

  async #putAll(letters: readonly DeadLetter[], givesUp: () => boolean): Promise<void> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#parts.sink.put(letters);
      } catch (error) {
        if (!isOperating(error) || givesUp()) throw error;
        const { partition } = letters[0];
        const detail = { partition, letters: letters.length, tries, err: error };
        this.#parts.warn("dead letters can't be put; trying again", detail);
        await new Promise((resolve) => setTimeout(resolve, DEAD_LETTER_RETRY_MS));
      }
    }
  }
}

/** Whether trying again later can help. */
function isOperating(error: unknown): boolean {
  if (error instanceof DeadLetterError) return error.code !== "RTA_DEAD_LETTERS_CORRUPT";
  return error instanceof LogError;
}
