/**
 * Reads chunks of a scan of rows. Where the type alone tells which rows match, they are picked here:
 * passing over a row costs a nanosecond, and DuckDB would put up a join for a list of types, which
 * takes longer than all the rest of the scan.
 */

import type { RowColumn, RowScan, ScannedRows } from "../event_store.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import type { TypeNames } from "./filter_sql.ts";
import { CHUNK_ROWS } from "./native.ts";
import { dictionaryOf, readTextIds, readTexts } from "./subject_texts.ts";
import type { TextDictionary } from "./text_dictionary.ts";
import { bitsOf } from "./type_masks.ts";

const WORD = 0x1_0000_0000;

/** Whether a scan whose masks are told by type picks its rows here. */
export function picksRows({ keepsUnmatched, values, label }: RowScan): boolean {
  return !keepsUnmatched && values.length === 0 && label === undefined;
}

/** What is known of a scan beside what was asked for. */
export interface RowReaderOptions {
  /** By series; null = the masks are a column. */
  readonly bits: Int32Array | null;
  /** Whether rows without bits are passed over. */
  readonly picks: boolean;
  readonly types: TypeNames;
  /** Whether rows come from more than the table itself. */
  readonly isJoined: boolean;
}

/**
 * Columns lie in the order in which scanRows selects them: series, those asked for, masks that the
 * type does not tell, the place in the log, texts, label.
 */
export class RowReader {
  readonly #scan: RowScan;
  readonly #bits: Int32Array | null;
  readonly #types: TypeNames;
  readonly #isJoined: boolean;
  readonly #dictionary: TextDictionary | null;
  readonly #order = new LogOrder();
  readonly #picked: PickedRows | null;

  constructor(scan: RowScan, { bits, picks, types, isJoined }: RowReaderOptions) {
    this.#scan = scan;
    this.#bits = bits;
    this.#types = types;
    this.#isJoined = isJoined;
    this.#dictionary = scan.label === undefined ? null : dictionaryOf(scan.label.subject);
    this.#picked = picks ? new PickedRows(bits!) : null;
  }

  read(chunk: ChunkReader): ScannedRows {
    const { columns, checksOrder } = this.#scan;
    const at = (column: RowColumn) => {
      const place = columns.indexOf(column);
      return place < 0 ? null : 1 + place;
    };
    const places = {
      seq: at("seq"),
      userHash: at("user_hash"),
      sessionHash: at("session_hash"),
      timestampMs: at("timestamp"),
      amount: at("amount"),
    };
    if (this.#picked === null) return this.#readAll(chunk, places);
    // Within a chunk the rows of a table lie as they were appended; what a join gives may not.
    const checked = this.#isJoined ? chunk.count : 1;
    const inOrder = checksOrder
      ? this.#order.continues(chunk.pairsView(1 + columns.length, checked))
      : null;
    return { ...this.#picked.read(chunk, places), types: this.#types, inOrder };
  }

  #readAll(chunk: ChunkReader, places: ColumnPlaces): ScannedRows {
    const { columns, matches, values, checksOrder, label } = this.#scan;
    const { seq, userHash, sessionHash, timestampMs, amount } = places;
    const series = chunk.int32View(0);
    let next = 1 + columns.length;
    return {
      count: chunk.count,
      types: this.#types,
      series,
      seq: seq === null ? null : chunk.int64(seq),
      userHash: userHash === null ? null : chunk.pairsView(userHash),
      sessionHash: sessionHash === null ? null : chunk.pairsView(sessionHash),
      timestampMs: timestampMs === null ? null : chunk.int64(timestampMs),
      amount: amount === null ? null : chunk.float64(amount),
      match: matches.length === 0
        ? null
        : this.#bits !== null
        ? bitsOf(series, this.#bits)
        : chunk.int32View(next++),
      inOrder: checksOrder ? this.#order.continues(chunk.pairsView(next++)) : null,
      values: values.map((subject) => readTexts(chunk, next++, subject, this.#types)),
      label: label === undefined
        ? null
        : readTextIds(chunk, next++, label.subject, this.#types, this.#dictionary!),
    };
  }
}

/** Columns of a chunk; null = not asked for. */
interface ColumnPlaces {
  readonly seq: number | null;
  readonly userHash: number | null;
  readonly sessionHash: number | null;
  readonly timestampMs: number | null;
  readonly amount: number | null;
}

/** The rows of one chunk whose type has bits, in arrays that serve for all chunks. */
class PickedRows {
  readonly #bits: Int32Array;
  /** Places of the picked rows in their chunk. */
  readonly #rows = new Int32Array(CHUNK_ROWS);
  readonly #series = new Int32Array(CHUNK_ROWS);
  readonly #match = new Int32Array(CHUNK_ROWS);
  readonly #seq = new Float64Array(CHUNK_ROWS);
  readonly #timestampMs = new Float64Array(CHUNK_ROWS);
  readonly #amount = new Float64Array(CHUNK_ROWS);
  readonly #userHash = new Uint32Array(2 * CHUNK_ROWS);
  readonly #sessionHash = new Uint32Array(2 * CHUNK_ROWS);

  /** @param bits by series, for every series that comes */
  constructor(bits: Int32Array) {
    this.#bits = bits;
  }

  read(chunk: ChunkReader, places: ColumnPlaces): Omit<ScannedRows, "types" | "inOrder"> {
    const count = this.#pick(chunk.int32View(0));
    const { seq, userHash, sessionHash, timestampMs, amount } = places;
    return {
      count,
      series: this.#series.subarray(0, count),
      match: this.#match.subarray(0, count),
      seq: seq === null ? null : this.#numbers(chunk.wordsView(seq), count, this.#seq),
      timestampMs: timestampMs === null
        ? null
        : this.#numbers(chunk.wordsView(timestampMs), count, this.#timestampMs),
      userHash: userHash === null
        ? null
        : this.#pairs(chunk.pairsView(userHash), count, this.#userHash),
      sessionHash: sessionHash === null
        ? null
        : this.#pairs(chunk.pairsView(sessionHash), count, this.#sessionHash),
      amount: amount === null ? null : this.#doubles(chunk.float64(amount), count),
      values: [],
      label: null,
    };
  }

  #pick(series: Int32Array): number {
    const bits = this.#bits;
    const rows = this.#rows;
    let count = 0;
    for (let row = 0; row < series.length; row++) {
      const match = bits[series[row]];
      if (match === 0) continue;
      rows[count] = row;
      this.#series[count] = series[row];
      this.#match[count++] = match;
    }
    return count;
  }

  /** int64 as numbers. */
  #numbers(words: Int32Array, count: number, into: Float64Array): Float64Array {
    const rows = this.#rows;
    for (let i = 0; i < count; i++) {
      const at = 2 * rows[i];
      into[i] = words[at + 1] * WORD + (words[at] >>> 0);
    }
    return into.subarray(0, count);
  }

  #pairs(pairs: Uint32Array, count: number, into: Uint32Array): Uint32Array {
    const rows = this.#rows;
    for (let i = 0; i < count; i++) {
      const at = 2 * rows[i];
      into[2 * i] = pairs[at];
      into[2 * i + 1] = pairs[at + 1];
    }
    return into.subarray(0, 2 * count);
  }

  #doubles(doubles: Float64Array, count: number): Float64Array {
    const rows = this.#rows;
    for (let i = 0; i < count; i++) this.#amount[i] = doubles[rows[i]];
    return this.#amount.subarray(0, count);
  }
}

/** Whether rows come in the order of the log. */
class LogOrder {
  #low = 0;
  #high = -1;
  #holds = true;

  /** @param seq of the rows that come next, int64 pairs */
  continues(seq: Uint32Array): boolean {
    let low = this.#low;
    let high = this.#high;
    for (let i = 0; i < seq.length; i += 2) {
      if (seq[i + 1] < high || (seq[i + 1] === high && seq[i] <= low)) this.#holds = false;
      low = seq[i];
      high = seq[i + 1];
    }
    this.#low = low;
    this.#high = high;
    return this.#holds;
  }
}
