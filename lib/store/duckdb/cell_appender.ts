/** Replaces rollup cells: takes away what is stored under their keys and appends the new ones. */

import type { StoredCell } from "../event_store.ts";
import { type Connection, native, type Vector } from "./native.ts";
import { copyColumn, NullMarks, TableAppender } from "./table_appender.ts";

/** Cells in one chunk: with three sketches of 16 KiB each, 12 MiB at most. */
const CHUNK_CELLS = 256;

/** Keys in one DELETE statement. */
const KEYS_PER_DELETE = 1024;

const WORD = 0x1_0000_0000;

const { BIGINT, BLOB, DOUBLE, INTEGER, TIMESTAMP_MS, UTINYINT } = native.Type;

const COLUMN_TYPES = [
  UTINYINT, // 0 level
  INTEGER, // 1 bucket
  INTEGER, // 2 series_id
  BIGINT, // 3 events
  TIMESTAMP_MS, // 4 min_ts
  TIMESTAMP_MS, // 5 max_ts
  BIGINT, // 6 amount_count
  DOUBLE, // 7 amount_sum
  BLOB, // 8 users
  BLOB, // 9 sessions
  BLOB, // 10 amounts
];

/** Statements that delete the cells stored under the keys of `cells`. */
export function deleteCellsSql(cells: readonly StoredCell[]): string[] {
  const statements: string[] = [];
  for (let from = 0; from < cells.length; from += KEYS_PER_DELETE) {
    const keys = cells.slice(from, from + KEYS_PER_DELETE)
      .map((c) => `(${Number(c.level)},${Number(c.bucket)},${Number(c.series)})`);
    statements.push(
      `DELETE FROM cells USING (VALUES ${keys.join()}) AS k(level, bucket, series_id)
       WHERE cells.level = k.level AND cells.bucket = k.bucket
         AND cells.series_id = k.series_id`,
    );
  }
  return statements;
}

/** Appends cells over one connection. */
export class CellAppender {
  readonly #table: TableAppender;
  readonly #nulls = new NullMarks(CHUNK_CELLS);
  readonly #int64 = new Uint32Array(2 * CHUNK_CELLS);

  constructor(connection: Connection) {
    this.#table = new TableAppender(connection, "cells", COLUMN_TYPES);
  }

  append(cells: readonly StoredCell[]): void {
    const vectors = this.#table.vectors;
    for (let from = 0; from < cells.length; from += CHUNK_CELLS) {
      const part = cells.slice(from, from + CHUNK_CELLS);
      this.#table.begin();
      copyColumn(vectors[0], Uint8Array.from(part, (c) => c.level), 0, part.length);
      copyColumn(vectors[1], Int32Array.from(part, (c) => c.bucket), 0, part.length);
      copyColumn(vectors[2], Int32Array.from(part, (c) => c.series), 0, part.length);
      this.#fillInt64(vectors[3], part, (c) => c.events);
      this.#fillInt64(vectors[4], part, (c) => c.minTimestampMs);
      this.#fillInt64(vectors[5], part, (c) => c.maxTimestampMs);
      this.#fillInt64(vectors[6], part, (c) => c.amountCount);
      copyColumn(vectors[7], Float64Array.from(part, (c) => c.amountSum), 0, part.length);
      this.#fillBlobs(vectors[8], part, (c) => c.users);
      this.#fillBlobs(vectors[9], part, (c) => c.sessions);
      this.#fillBlobs(vectors[10], part, (c) => c.amounts);
      this.#table.push(part.length);
    }
    if (cells.length > 0) this.#table.flush();
  }

  close(): void {
    this.#table.close();
  }

  #fillInt64(vector: Vector, cells: readonly StoredCell[], pick: (c: StoredCell) => number): void {
    for (let i = 0; i < cells.length; i++) {
      const value = pick(cells[i]);
      this.#int64[2 * i] = value >>> 0;
      this.#int64[2 * i + 1] = Math.floor(value / WORD);
    }
    copyColumn(vector, this.#int64, 0, 2 * cells.length);
  }

  #fillBlobs(
    vector: Vector,
    cells: readonly StoredCell[],
    pick: (c: StoredCell) => Uint8Array | null,
  ): void {
    for (let i = 0; i < cells.length; i++) {
      const blob = pick(cells[i]);
      if (blob === null) this.#nulls.mark(i);
      else native.vector_assign_string_element_len(vector, i, blob);
    }
    this.#nulls.apply(vector);
  }
}
