/**
 * Replaces rollup cells: takes away what is stored under their keys and appends the new ones,
 * their numbers to the table `cells`, their sketches in parts to `cell_parts`.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type FlushedCell,
  type StoredCell,
  WANT_AMOUNTS,
  WANT_SESSIONS,
  WANT_USERS,
} from "../event_store.ts";
import { CHUNK_ROWS, type Connection, native, type Vector } from "./native.ts";
import { PART_BYTES_MAX } from "./schema.ts";
import { copyColumn, TableAppender } from "./table_appender.ts";

/** Parts in one chunk, and between two turns of the event loop: 1 MB. */
const CHUNK_PARTS = 1024;

/** Keys in one DELETE statement. */
const KEYS_PER_DELETE = 1024;

const WORD = 0x1_0000_0000;

const { BIGINT, BLOB, DOUBLE, INTEGER, TIMESTAMP_MS, USMALLINT, UTINYINT } = native.Type;

const CELL_TYPES = [
  UTINYINT, // 0 level
  INTEGER, // 1 bucket
  INTEGER, // 2 series_id
  BIGINT, // 3 events
  TIMESTAMP_MS, // 4 min_ts
  TIMESTAMP_MS, // 5 max_ts
  BIGINT, // 6 amount_count
  DOUBLE, // 7 amount_sum
];

const PART_TYPES = [
  UTINYINT, // 0 level
  INTEGER, // 1 bucket
  INTEGER, // 2 series_id
  UTINYINT, // 3 sketch
  INTEGER, // 4 sketch_bytes
  USMALLINT, // 5 part
  BLOB, // 6 bytes
];

/** One part of one sketch of a cell. */
interface Part {
  readonly cell: StoredCell;
  readonly sketch: number;
  readonly sketchBytes: number;
  readonly part: number;
  readonly bytes: Uint8Array;
}

/** Statements that delete the cells stored under the keys of `flushed`, but for the new ones. */
export function deleteCellsSql(flushed: readonly FlushedCell[]): string[] {
  const cells = flushed.filter((cell) => !cell.isNew);
  const statements: string[] = [];
  for (let from = 0; from < cells.length; from += KEYS_PER_DELETE) {
    const keys = cells.slice(from, from + KEYS_PER_DELETE)
      .map((c) => `(${Number(c.level)},${Number(c.bucket)},${Number(c.series)})`);
    for (const table of ["cells", "cell_parts"]) {
      statements.push(
        `DELETE FROM ${table} USING (VALUES ${keys.join()}) AS k(level, bucket, series_id)
         WHERE ${table}.level = k.level AND ${table}.bucket = k.bucket
           AND ${table}.series_id = k.series_id`,
      );
    }
  }
  return statements;
}

/** Appends cells over one connection. */
export class CellAppender {
  readonly #cells: TableAppender;
  readonly #parts: TableAppender;
  readonly #int64 = new Uint32Array(2 * CHUNK_ROWS);

  constructor(connection: Connection) {
    this.#cells = new TableAppender(connection, "cells", CELL_TYPES);
    this.#parts = new TableAppender(connection, "cell_parts", PART_TYPES);
  }

  /** Appends all cells to the open transaction; lets the event loop turn in between. */
  async append(cells: readonly StoredCell[]): Promise<void> {
    for (let from = 0; from < cells.length; from += CHUNK_ROWS) {
      this.#appendCells(cells.slice(from, from + CHUNK_ROWS));
    }
    let parts: Part[] = [];
    for (const cell of cells) {
      for (const part of partsOf(cell)) {
        parts.push(part);
        if (parts.length < CHUNK_PARTS) continue;
        this.#appendParts(parts);
        parts = [];
        await nextTurn();
      }
    }
    if (parts.length > 0) this.#appendParts(parts);
  }

  #appendCells(cells: readonly StoredCell[]): void {
    const { vectors } = this.#cells;
    this.#cells.begin();
    copyColumn(vectors[0], Uint8Array.from(cells, (c) => c.level), 0, cells.length);
    copyColumn(vectors[1], Int32Array.from(cells, (c) => c.bucket), 0, cells.length);
    copyColumn(vectors[2], Int32Array.from(cells, (c) => c.series), 0, cells.length);
    this.#fillInt64(vectors[3], cells, (c) => c.events);
    this.#fillInt64(vectors[4], cells, (c) => c.minTimestampMs);
    this.#fillInt64(vectors[5], cells, (c) => c.maxTimestampMs);
    this.#fillInt64(vectors[6], cells, (c) => c.amountCount);
    copyColumn(vectors[7], Float64Array.from(cells, (c) => c.amountSum), 0, cells.length);
    this.#cells.push(cells.length);
    this.#cells.flush();
  }

  #appendParts(parts: readonly Part[]): void {
    const { vectors } = this.#parts;
    this.#parts.begin();
    copyColumn(vectors[0], Uint8Array.from(parts, (p) => p.cell.level), 0, parts.length);
    copyColumn(vectors[1], Int32Array.from(parts, (p) => p.cell.bucket), 0, parts.length);
    copyColumn(vectors[2], Int32Array.from(parts, (p) => p.cell.series), 0, parts.length);
    copyColumn(vectors[3], Uint8Array.from(parts, (p) => p.sketch), 0, parts.length);
    copyColumn(vectors[4], Int32Array.from(parts, (p) => p.sketchBytes), 0, parts.length);
    copyColumn(vectors[5], Uint16Array.from(parts, (p) => p.part), 0, parts.length);
    parts.forEach((p, i) => native.vector_assign_string_element_len(vectors[6], i, p.bytes));
    this.#parts.push(parts.length);
    this.#parts.flush();
  }

  #fillInt64(vector: Vector, cells: readonly StoredCell[], pick: (c: StoredCell) => number): void {
    for (let i = 0; i < cells.length; i++) {
      const value = pick(cells[i]);
      this.#int64[2 * i] = value >>> 0;
      this.#int64[2 * i + 1] = Math.floor(value / WORD);
    }
    copyColumn(vector, this.#int64, 0, 2 * cells.length);
  }
}

/** The parts of a cell's sketches; an empty sketch has one empty part, null has none. */
function* partsOf(cell: StoredCell): Generator<Part> {
  const sketches: [number, Uint8Array | null][] = [
    [WANT_USERS, cell.users],
    [WANT_SESSIONS, cell.sessions],
    [WANT_AMOUNTS, cell.amounts],
  ];
  for (const [sketch, whole] of sketches) {
    if (whole === null) continue;
    for (let from = 0, part = 0; from === 0 || from < whole.length; part++) {
      const bytes = whole.subarray(from, from + PART_BYTES_MAX);
      yield { cell, sketch, sketchBytes: whole.length, part, bytes };
      from += PART_BYTES_MAX;
    }
  }
}
