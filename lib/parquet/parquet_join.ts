/**
 * Joins Parquet files of the same columns to one, as a stream: what a file holds is passed on as it
 * is, and its row groups are remembered with their new places for the footer that ends the whole.
 *
 *     file    "PAR1", row groups, footer, its length (uint32, little endian), "PAR1"
 *     joined  "PAR1", row groups of all files, one footer, its length, "PAR1"
 *
 * So any number of rows is exported with one small file on disk at a time, and without the footer,
 * which comes last, no reader takes a part for the whole. Fields by number: parquet.thrift.
 */
import {
  i64,
  listFieldHead,
  readStruct,
  structListHead,
  type ThriftStruct,
  type ThriftValue,
  writeStruct,
} from "./thrift_compact.ts";

const MAGIC = new TextEncoder().encode("PAR1");
const MAGIC_BYTES = 4;
const TAIL_BYTES = 8;

/** FileMetaData. */
const NUM_ROWS = 3, ROW_GROUPS = 4;
/** RowGroup: its columns, its number of rows, where it begins, and its index. */
const COLUMNS = 1, GROUP_ROWS = 3, GROUP_OFFSET = 5, ORDINAL = 7;
/** ColumnChunk: its metadata, and places in the file. */
const META_DATA = 3, CHUNK_OFFSETS = [2, 4, 6];
/** ColumnMetaData: pages, index, dictionary, bloom filter. */
const META_OFFSETS = [9, 10, 11, 14];

/** Where the row groups of a file lie in it. */
export interface ParquetBody {
  /** First byte. */
  readonly start: number;
  /** Byte after the last. */
  readonly end: number;
}

export class ParquetJoin {
  /** What every file begins with. */
  readonly head: Uint8Array<ArrayBuffer> = MAGIC.slice();
  #written = MAGIC_BYTES;
  #rows = 0n;
  readonly #groups: Uint8Array[] = [];
  /** Of the first file. */
  #metaData: ThriftStruct | null = null;

  /**
   * Takes the next file in. `tail`: its last bytes, at least its footer. What lies between `start`
   * and `end` comes next in the joined file.
   */
  add(fileBytes: number, tail: Uint8Array): ParquetBody {
    const footerBytes = footerLength(tail);
    const end = fileBytes - TAIL_BYTES - footerBytes;
    const metaData = readStruct(tail.subarray(tail.length - TAIL_BYTES - footerBytes));
    const shift = BigInt(this.#written - MAGIC_BYTES);
    for (const group of structsOf(metaData.get(ROW_GROUPS))) {
      this.#rows += integerOf(group, GROUP_ROWS);
      move(group, shift);
      this.#groups.push(writeStruct(group));
    }
    this.#metaData ??= metaData;
    this.#written += end - MAGIC_BYTES;
    return { start: MAGIC_BYTES, end };
  }

  /** What ends the joined file. At least one file must have been added. */
  tail(): Uint8Array<ArrayBuffer> {
    const metaData = this.#metaData!;
    metaData.set(NUM_ROWS, i64(this.#rows));
    const before = new Map([...metaData].filter(([id]) => id < ROW_GROUPS));
    const after = new Map([...metaData].filter(([id]) => id > ROW_GROUPS));
    const first = writeStruct(before);
    const rest = writeStruct(shifted(after));
    const parts = [
      // Without the byte that ends a struct.
      first.subarray(0, first.length - 1),
      listFieldHead(ROW_GROUPS, Math.max(...before.keys())),
      structListHead(this.#groups.length),
      ...this.#groups,
      rest,
    ];
    const footerBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const tail = new Uint8Array(footerBytes + TAIL_BYTES);
    let at = 0;
    for (const part of parts) {
      tail.set(part, at);
      at += part.length;
    }
    new DataView(tail.buffer).setUint32(at, footerBytes, true);
    tail.set(MAGIC, at + 4);
    return tail;
  }
}

/** Bytes at the end of a file that hold its footer, as its last TAIL_BYTES say. */
export function tailLength(lastBytes: Uint8Array): number {
  return footerLength(lastBytes) + TAIL_BYTES;
}

function footerLength(tail: Uint8Array): number {
  const at = tail.length - TAIL_BYTES;
  if (at < 0 || MAGIC.some((byte, i) => tail[at + 4 + i] !== byte)) {
    throw new Error("this is no Parquet file");
  }
  return new DataView(tail.buffer, tail.byteOffset + at, 4).getUint32(0, true);
}

/** Moves all places in a row group. */
function move(group: ThriftStruct, shift: bigint): void {
  // Optional, and 16 bits would not do for what is joined here.
  group.delete(ORDINAL);
  shiftField(group, GROUP_OFFSET, shift);
  for (const chunk of structsOf(group.get(COLUMNS))) {
    for (const id of CHUNK_OFFSETS) shiftField(chunk, id, shift);
    const meta = chunk.get(META_DATA);
    if (meta?.type !== 12) continue;
    for (const id of META_OFFSETS) shiftField(meta.value, id, shift);
  }
}

/** A place of 0 means that there is none: nothing lies before "PAR1". */
function shiftField(struct: ThriftStruct, id: number, shift: bigint): void {
  const field = struct.get(id);
  if (field?.type === 6 && field.value !== 0n) field.value += shift;
}

/** The same fields with ids as they are written after the row groups. */
function shifted(fields: ThriftStruct): ThriftStruct {
  return new Map([...fields].map(([id, value]) => [id - ROW_GROUPS, value]));
}

function structsOf(list: ThriftValue | undefined): ThriftStruct[] {
  if (list?.type !== 9) return [];
  return list.value.flatMap((each) => each.type === 12 ? [each.value] : []);
}

function integerOf(struct: ThriftStruct, id: number): bigint {
  const field = struct.get(id);
  return field !== undefined && "value" in field && typeof field.value === "bigint"
    ? field.value
    : 0n;
}
