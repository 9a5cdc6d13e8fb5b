/**
 * The UserBlocks of one partition, kept up to date from its rows: filled in the background once
 * anybody asks about a user, and again whenever a block of rows has come in. What it does not have
 * yet is looked through, so an answer never waits for it.
 */

import { USER_BLOCKS_BYTES_MAX } from "../../config/limits.ts";
import type { Connection } from "./native.ts";
import { integer, readStream } from "./read_stream.ts";
import { BLOCK_ROWS, type SeqRange, UserBlocks } from "./user_blocks.ts";

/** More ranges cost more to look into than the rows between them. */
const RANGES_MAX = 4;

/** Rows of one reading: commits and other readings get their turn between two of them. */
const READ_ROWS = 8 * BLOCK_ROWS;

export class UserIndex {
  readonly #blocks = new UserBlocks(USER_BLOCKS_BYTES_MAX);
  #isFilling = false;
  /** Rows were not in the order of their numbers: it is of no use. */
  #isBroken = false;

  /** Where rows of a user in a range can be, ascending. */
  rangesOf([low, high]: readonly [low: number, high: number], within: SeqRange): SeqRange[] {
    if (this.#isBroken) return [within];
    const ranges = this.#blocks.rangesOf(low, high, within.toSeq, RANGES_MAX);
    return ranges.map(({ fromSeq, toSeq }) => ({
      fromSeq: Math.max(fromSeq, within.fromSeq),
      toSeq: Math.min(toSeq, within.toSeq),
    })).filter(({ fromSeq, toSeq }) => fromSeq < toSeq);
  }

  /**
   * Notes the rows before `toSeq` where many are missing. Never rejects: a reading that fails is
   * gone on with the next time.
   */
  async fill(
    toSeq: number,
    read: (work: (connection: Connection) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    if (this.#isFilling || this.#isBroken || toSeq - this.#blocks.toSeq < BLOCK_ROWS) return;
    this.#isFilling = true;
    try {
      for (let from = -1; from < this.#blocks.toSeq && this.#blocks.toSeq < toSeq;) {
        from = this.#blocks.toSeq;
        await read((connection) => this.#read(connection, Math.min(toSeq, from + READ_ROWS)));
      }
    } catch {
      // The next question tells what is wrong with the store.
    } finally {
      this.#isFilling = false;
    }
  }

  async #read(connection: Connection, toSeq: number): Promise<void> {
    const sql = `SELECT user_hash, seq FROM events
      WHERE seq >= ${integer(this.#blocks.toSeq)} AND seq < ${integer(toSeq)}`;
    await readStream(connection, sql, [], (chunk) => {
      const seq = chunk.int64(1), first = this.#blocks.toSeq, last = first + chunk.count - 1;
      this.#isBroken ||= seq[0] !== first || seq[chunk.count - 1] !== last;
      if (!this.#isBroken) this.#blocks.add(chunk.pairs(0), chunk.count);
    });
  }
}
