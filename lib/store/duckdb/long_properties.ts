/**
 * Properties longer than one value, kept as parts in a table of their own (see schema.ts).
 *
 * A part ends between two characters, so that each is a text and SQL can join them again:
 * `SELECT seq, string_agg(text, '' ORDER BY part) FROM long_properties GROUP BY seq`.
 */

import type { RowBatch } from "../event_store.ts";
import { CHUNK_ROWS, type Connection, native } from "./native.ts";
import { readStream } from "./read_stream.ts";
import { PART_BYTES_MAX } from "./schema.ts";
import { copyColumn, TableAppender } from "./table_appender.ts";

const WORD = 0x1_0000_0000;

const { BIGINT, USMALLINT, VARCHAR } = native.Type;

/** Appends long properties over one connection. */
export class LongPropertiesAppender {
  readonly #table: TableAppender;
  readonly #seq = new Uint32Array(2 * CHUNK_ROWS);
  readonly #part = new Uint16Array(CHUNK_ROWS);
  #count = 0;

  constructor(connection: Connection) {
    this.#table = new TableAppender(connection, "long_properties", [BIGINT, USMALLINT, VARCHAR]);
  }

  /** Appends the properties of one row of the batch. */
  add(batch: RowBatch, row: number): void {
    const source = batch.sources[batch.sourceOf[row]];
    const seq = batch.firstSeq + row, end = batch.propertiesEnd[row];
    let from = batch.propertiesStart[row];
    for (let part = 0; from < end; part++) {
      if (this.#count === CHUNK_ROWS) this.flush();
      if (this.#count === 0) this.#table.begin();
      const to = partEnd(source, from, end), at = this.#count++;
      this.#seq[2 * at] = seq >>> 0;
      this.#seq[2 * at + 1] = Math.floor(seq / WORD);
      this.#part[at] = part;
      const bytes = source.subarray(from, to);
      native.vector_assign_string_element_len(this.#table.vectors[2], at, bytes);
      from = to;
    }
  }

  /** Puts what was added into the transaction of the connection. */
  flush(): void {
    if (this.#count === 0) return;
    copyColumn(this.#table.vectors[0], this.#seq, 0, 2 * this.#count);
    copyColumn(this.#table.vectors[1], this.#part, 0, this.#count);
    this.#table.push(this.#count);
    this.#table.flush();
    this.#count = 0;
  }
}

/** The properties of the rows of these sequence numbers, as far as they are long. */
export async function readLongProperties(
  connection: Connection,
  seqs: readonly number[],
): Promise<Map<number, string>> {
  const texts = new Map<number, string>();
  const sql = `SELECT seq, text FROM long_properties WHERE seq IN (${seqs.map(BigInt).join()})
    ORDER BY seq, part`;
  await readStream(connection, sql, [], (chunk) => {
    const seq = chunk.int64(0), parts = chunk.strings(1);
    seq.forEach((of, i) => texts.set(of, (texts.get(of) ?? "") + parts[i]));
  });
  return texts;
}

/** Where the part that begins at `from` ends: not inside a UTF-8 sequence. */
function partEnd(source: Uint8Array, from: number, end: number): number {
  let to = from + PART_BYTES_MAX;
  if (to >= end) return end;
  while ((source[to] & 0xc0) === 0x80) to--;
  return to;
}
