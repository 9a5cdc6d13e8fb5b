/**
 * Appends what dedup and sessions need of a RowBatch, where rows are not kept (schema.ts, `recent`):
 * whole numeric columns and nothing else, a tenth of what a row takes. It lasts as long as it
 * matters: flushes delete what is older.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import type { RowBatch } from "../event_store.ts";
import { CHUNK_ROWS, type Connection, native } from "./native.ts";
import { copyColumn, TableAppender } from "./table_appender.ts";

/** Rows appended between two turns of the event loop: about 5 ms of work. */
const TURN_ROWS = 61_440;

const { BOOLEAN, TIMESTAMP_MS, UBIGINT } = native.Type;

const COLUMN_TYPES = [
  TIMESTAMP_MS, // 0 received_at
  UBIGINT, // 1 id_hash
  UBIGINT, // 2 user_hash
  UBIGINT, // 3 session_hash
  TIMESTAMP_MS, // 4 timestamp
  BOOLEAN, // 5 derived
];

/** Statement that forgets what was received before `sinceMs`. */
export function deleteRecentSql(sinceMs: number): string {
  const ms = BigInt(Math.max(0, Math.floor(sinceMs)));
  return `DELETE FROM recent WHERE received_at < make_timestamp_ms(${ms})::TIMESTAMP_MS`;
}

/** Appends the recent part of row batches over one connection. */
export class RecentAppender {
  readonly #table: TableAppender;
  readonly #derived = new Uint8Array(CHUNK_ROWS);

  constructor(connection: Connection) {
    this.#table = new TableAppender(connection, "recent", COLUMN_TYPES);
  }

  /** Appends all rows to the open transaction; lets the event loop turn in between. */
  async append(batch: RowBatch): Promise<void> {
    for (let from = 0; from < batch.count; from += CHUNK_ROWS) {
      const to = Math.min(batch.count, from + CHUNK_ROWS);
      this.#appendChunk(batch, from, to - from);
      if (to % TURN_ROWS === 0 || to === batch.count) {
        this.#table.flush();
        if (to < batch.count) await nextTurn();
      }
    }
  }

  #appendChunk(batch: RowBatch, from: number, count: number): void {
    const { vectors } = this.#table;
    this.#table.begin();
    copyColumn(vectors[0], batch.receivedAtMs, 2 * from, 2 * count);
    copyColumn(vectors[1], batch.idHash, 2 * from, 2 * count);
    copyColumn(vectors[2], batch.userHash, 2 * from, 2 * count);
    copyColumn(vectors[3], batch.sessionHash, 2 * from, 2 * count);
    copyColumn(vectors[4], batch.timestampMs, 2 * from, 2 * count);
    for (let i = 0; i < count; i++) this.#derived[i] = batch.sessionStart[from + i] < 0 ? 1 : 0;
    copyColumn(vectors[5], this.#derived, 0, count);
    this.#table.push(count);
  }
}
