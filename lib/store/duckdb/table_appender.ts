/**
 * Appends whole data chunks to one table: fill `vectors`, then `push`.
 *
 * The chunk and its vectors are made once and used again for every commit. `flush` moves what was
 * pushed into the open transaction; an appender with unflushed rows must not outlive a failed
 * transaction, because closing it would still try to append them (see DuckdbFile.replaceWriter).
 */

import { type Appender, type Connection, type DataChunk, native, type Type } from "./native.ts";
import type { Vector } from "./native.ts";
import { CATALOG } from "./schema.ts";

export class TableAppender {
  /** One vector for each column, writable between `begin` and `push`. */
  readonly vectors: readonly Vector[];
  readonly #appender: Appender;
  readonly #chunk: DataChunk;

  /** `types` are those of all columns of `table`, in order. */
  constructor(connection: Connection, table: string, types: readonly Type[]) {
    this.#appender = createAppender(connection, table);
    this.#chunk = native.create_data_chunk(types.map((t) => native.create_logical_type(t)));
    this.vectors = types.map((_, i) => native.data_chunk_get_vector(this.#chunk, i));
  }

  /** Empties the chunk: all values valid, no strings held. */
  begin(): void {
    native.data_chunk_reset(this.#chunk);
  }

  /** Appends the first `count` rows of the vectors; the strings they point to are copied. */
  push(count: number): void {
    native.data_chunk_set_size(this.#chunk, count);
    native.append_data_chunk(this.#appender, this.#chunk);
  }

  /** Puts all pushed rows into the transaction of the connection. Synchronous work. */
  flush(): void {
    native.appender_flush_sync(this.#appender);
  }
}

/** An appender to one table of the file. */
export function createAppender(connection: Connection, table: string): Appender {
  return native.appender_create_ext(connection, CATALOG, "main", table);
}

/** Copies `count` elements of a typed array, from element `from` on, into a vector's data. */
export function copyColumn(
  vector: Vector,
  column: Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array,
  from: number,
  count: number,
): void {
  const size = column.BYTES_PER_ELEMENT;
  const offset = column.byteOffset + from * size;
  native.copy_data_to_vector(vector, 0, column.buffer as ArrayBuffer, offset, count * size);
}

/**
 * The null marks of one vector of a chunk: one bit a row, set = valid. Reused from vector to
 * vector: mark the nulls, then `apply`, which also clears the marks.
 */
export class NullMarks {
  readonly #bits: Uint32Array;
  #nulls = 0;

  constructor(rows: number) {
    this.#bits = new Uint32Array(2 * Math.ceil(rows / 64)).fill(0xffffffff);
  }

  mark(row: number): void {
    this.#bits[row >>> 5] &= ~(1 << (row & 31));
    this.#nulls++;
  }

  apply(vector: Vector): void {
    if (this.#nulls === 0) return;
    const bytes = this.#bits.byteLength;
    native.vector_ensure_validity_writable(vector);
    native.copy_data_to_vector_validity(vector, 0, this.#bits.buffer as ArrayBuffer, 0, bytes);
    this.#bits.fill(0xffffffff);
    this.#nulls = 0;
  }
}
