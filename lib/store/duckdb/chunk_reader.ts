/**
 * Reads one data chunk of a result: numeric columns in bulk, strings and blobs one at a time.
 *
 * Everything is copied out of native memory, so values may be kept after the next chunk; but for
 * the views, which spare large scans the copy.
 */

import { type DataChunk, native, STRING_BYTES, STRING_INLINE_MAX } from "./native.ts";
import type { TextDictionary } from "./text_dictionary.ts";

const WORD = 0x1_0000_0000;

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export class ChunkReader {
  readonly count: number;
  readonly #chunk: DataChunk;
  readonly #firstColumn: number;

  /** @param firstColumn the column of the chunk that is 0 here */
  constructor(chunk: DataChunk, firstColumn = 0) {
    this.#chunk = chunk;
    this.#firstColumn = firstColumn;
    this.count = native.data_chunk_get_size(chunk);
  }

  /** An INTEGER column. */
  int32(column: number): Int32Array {
    return new Int32Array(this.#bytes(column, 4).buffer);
  }

  /** A UTINYINT column. */
  uint8(column: number): Uint8Array {
    return this.#bytes(column, 1);
  }

  /** A USMALLINT column. */
  uint16(column: number): Uint16Array {
    return new Uint16Array(this.#bytes(column, 2).buffer);
  }

  /** A UBIGINT column as pairs of words, low word first. */
  pairs(column: number): Uint32Array {
    return new Uint32Array(this.#bytes(column, 8).buffer);
  }

  /** The same of the first rows in DuckDB's own memory: only until the next chunk. */
  pairsView(column: number, rows = this.count): Uint32Array {
    return new Uint32Array(this.#view(column, 8, rows).buffer);
  }

  /** An INTEGER column, of the first rows, in DuckDB's own memory: only until the next chunk. */
  int32View(column: number, rows = this.count): Int32Array {
    return new Int32Array(this.#view(column, 4, rows).buffer);
  }

  /** A BIGINT or TIMESTAMP_MS column in DuckDB's own memory, low word first. */
  wordsView(column: number): Int32Array {
    return new Int32Array(this.#view(column, 8).buffer);
  }

  /** The same as numbers: exact up to 2^53. */
  int64(column: number): Float64Array {
    const words = this.wordsView(column);
    const values = new Float64Array(this.count);
    for (let i = 0; i < this.count; i++) {
      values[i] = words[2 * i + 1] * WORD + (words[2 * i] >>> 0);
    }
    return values;
  }

  /** A DOUBLE column; null is NaN. */
  float64(column: number): Float64Array {
    const values = new Float64Array(this.#bytes(column, 8).buffer);
    const valid = this.#validity(column);
    if (valid !== null) {
      for (let i = 0; i < this.count; i++) {
        if ((valid[i >>> 3] & (1 << (i & 7))) === 0) values[i] = NaN;
      }
    }
    return values;
  }

  /** A VARCHAR column. */
  strings(column: number): (string | null)[] {
    return this.blobs(column).map((bytes) => bytes === null ? null : decoder.decode(bytes));
  }

  /** A VARCHAR column by the ids that `dictionary` gives its texts. */
  textIds(column: number, dictionary: TextDictionary): Int32Array {
    const bytes = this.#bytes(column, STRING_BYTES);
    const words = new Int32Array(bytes.buffer);
    const valid = this.#validity(column);
    const ids = new Int32Array(this.count);
    for (let i = 0; i < this.count; i++) {
      if (valid !== null && (valid[i >>> 3] & (1 << (i & 7))) === 0) {
        ids[i] = dictionary.missing();
        continue;
      }
      const length = words[4 * i], at = STRING_BYTES * i + 4;
      if (length > STRING_INLINE_MAX) {
        const long = native.get_data_from_pointer(bytes.buffer, at + 4, length);
        ids[i] = dictionary.ofText(decoder.decode(long));
        continue;
      }
      bytes.fill(0, at + length, at + STRING_INLINE_MAX);
      const decode = () => decoder.decode(bytes.subarray(at, at + length));
      ids[i] = dictionary.ofWords(
        length,
        words[4 * i + 1],
        words[4 * i + 2],
        words[4 * i + 3],
        decode,
      );
    }
    return ids;
  }

  /** Reads single texts of a VARCHAR column, as long as the chunk is there. */
  textReader(column: number): (row: number) => string | null {
    const text = this.#bytes(column, STRING_BYTES);
    const words = new Uint32Array(text.buffer);
    const valid = this.#validity(column);
    return (row) => {
      if (valid !== null && (valid[row >>> 3] & (1 << (row & 7))) === 0) return null;
      const length = words[4 * row], at = STRING_BYTES * row;
      return decoder.decode(
        length <= STRING_INLINE_MAX
          ? text.subarray(at + 4, at + 4 + length)
          : new Uint8Array(native.get_data_from_pointer(text.buffer, at + 8, length)),
      );
    };
  }

  /** The bytes of a BLOB or VARCHAR column. */
  blobs(column: number): (Uint8Array | null)[] {
    const text = this.#bytes(column, STRING_BYTES);
    const words = new Uint32Array(text.buffer);
    const valid = this.#validity(column);
    const values: (Uint8Array | null)[] = new Array(this.count);
    for (let i = 0; i < this.count; i++) {
      if (valid !== null && (valid[i >>> 3] & (1 << (i & 7))) === 0) {
        values[i] = null;
        continue;
      }
      const length = words[4 * i], at = STRING_BYTES * i;
      values[i] = length <= STRING_INLINE_MAX
        ? text.slice(at + 4, at + 4 + length)
        : new Uint8Array(native.get_data_from_pointer(text.buffer, at + 8, length));
    }
    return values;
  }

  #bytes(column: number, size: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view(column, size));
  }

  /** A column's bytes where they lie: the whole of a buffer that is DuckDB's. */
  #view(column: number, size: number, rows = this.count): Uint8Array {
    const vector = native.data_chunk_get_vector(this.#chunk, this.#firstColumn + column);
    return native.vector_get_data(vector, size * rows);
  }

  /** Bits of the valid rows, or null when all are. */
  #validity(column: number): Uint8Array | null {
    const vector = native.data_chunk_get_vector(this.#chunk, this.#firstColumn + column);
    const bytes = 8 * Math.ceil(this.count / 64);
    return native.vector_get_validity(vector, bytes) as Uint8Array | null;
  }
}
