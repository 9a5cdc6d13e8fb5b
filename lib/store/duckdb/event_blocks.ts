/**
 * Who, when and what of all events in the order of the log, as plain arrays in a file beside the
 * rows: what funnels and paths look at. Read from here a block is three arrays at once, where DuckDB
 * unpacks 2,048 rows at a time and hands each of these over from a thread of its own to this one.
 *
 *     block     users          times        series       trailer
 *               u64 x rows     f64 x rows   i32 x rows   40 bytes
 *     trailer   magic u32, rows u32, first and last time f64, hash of the last event's id u64,
 *               CRC-32 of all before it u32, 0 u32
 *
 * A block is `runRows` rows; those after the last block are read by SQL. Like its sisters
 * (side_file.ts) the file is a shortcut: it is made in the background once somebody has asked for
 * such rows, and nothing is lost with it. Numbers are little endian, as all machines that Deno runs
 * on have them. What a crash leaves of a block is found by its CRC whenever the block is read, and
 * the file is made anew from there on.
 */

import { crc32 } from "node:zlib";
import { SIDE_IDLE_MS } from "../../config/store_limits.ts";
import { StoreError } from "../event_store.ts";
import type { Connection } from "./native.ts";
import { integer, readStream } from "./read_stream.ts";
import type { SideFileOptions } from "./side_file.ts";

const MAGIC = 0x31_42_56_45;
const USER_BYTES = 8;
const TIME_BYTES = 8;
const SERIES_BYTES = 4;
const ROW_BYTES = USER_BYTES + TIME_BYTES + SERIES_BYTES;
const TRAILER_BYTES = 40;
/** Where the numbers of a trailer are, after the magic. */
const ROWS_AT = 4;
const FIRST_AT = 8;
const LAST_AT = 16;
const ID_LOW_AT = 24;
const ID_HIGH_AT = 28;
const CRC_AT = 32;

/** Reads with a connection of the partition's file. */
export type ReadTurn = <T>(work: (connection: Connection) => Promise<T>) => Promise<T>;

/** Rows of a block; valid until the next one is read. */
export interface BlockRows {
  /** uint64 pairs, low word first. */
  readonly userHash: Uint32Array;
  /** ms since the epoch. */
  readonly timestampMs: Float64Array;
  readonly series: Int32Array;
}

/** First and last time of a block's events, ms since the epoch. */
interface BlockTimes {
  readonly firstMs: number;
  readonly lastMs: number;
}

export class EventBlocks {
  /** Where they are. */
  readonly path: string;
  readonly runRows: number;
  readonly #warn: SideFileOptions["warn"];
  #blocks: BlockTimes[] = [];
  #opening: Promise<void> | null = null;
  #askedAtMs = -Infinity;
  #filling: Promise<void> | null = null;
  /** What there is stays; it is not tried again until the partition is opened again. */
  #hasFailed = false;

  /** @param path of the partition's file */
  constructor(path: string, { runRows, warn }: SideFileOptions) {
    this.path = `${path}.blocks`;
    this.runRows = runRows;
    this.#warn = warn;
  }

  /** All rows before this are in blocks. */
  get endSeq(): number {
    return this.#blocks.length * this.runRows;
  }

  /** Blocks are asked for: opens the file if there is one. Never rejects for what is in it. */
  ask(read: ReadTurn): Promise<void> {
    this.#askedAtMs = Date.now();
    this.#opening ??= this.#open(read).catch((error) => {
      this.#blocks = [];
      if (error instanceof StoreError) {
        this.#opening = null;
        return;
      }
      this.#hasFailed = true;
      this.#tell("blocks of events can't be opened: rows are read in their place", error);
    });
    return this.#opening;
  }

  /** How the events of a block lie to [fromMs, toMs). */
  timeOf(index: number, fromMs: number, toMs: number): "within" | "across" | "outside" {
    const { firstMs, lastMs } = this.#blocks[index];
    if (firstMs >= toMs || lastMs < fromMs) return "outside";
    return firstMs >= fromMs && lastMs < toMs ? "within" : "across";
  }

  /** A reader with a place in memory for one block; null when there is no file. */
  async reader(): Promise<BlockReader | null> {
    if (this.#blocks.length === 0) return null;
    try {
      const file = await Deno.open(this.path);
      return new BlockReader(file, this.runRows, (index) => this.#spoiled(index));
    } catch (error) {
      this.#spoiled(0, error);
      return null;
    }
  }

  /** Makes the blocks that lie before `toSeq`, if they were asked for lately. Never rejects. */
  fill(toSeq: number, read: ReadTurn): Promise<void> {
    const isAsked = Date.now() - this.#askedAtMs < SIDE_IDLE_MS;
    if (this.#hasFailed || this.#opening === null || !isAsked) return Promise.resolve();
    this.#filling ??= this.#fill(toSeq, read).finally(() => this.#filling = null);
    return this.#filling;
  }

  /** Resolves when nothing is written any more: soon, once reads are refused. */
  async settled(): Promise<void> {
    await this.#filling;
  }

  async #fill(toSeq: number, read: ReadTurn): Promise<void> {
    try {
      await this.#opening;
      while (!this.#hasFailed && this.endSeq + this.runRows <= toSeq) {
        const fromSeq = this.endSeq;
        const block = await read((connection) => readRows(connection, fromSeq, this.runRows));
        if (block === null) return;
        await this.#append(block, fromSeq / this.runRows);
      }
    } catch (error) {
      // A partition that is closed, or has no memory left, is no failure of theirs.
      if (error instanceof StoreError) return;
      this.#hasFailed = true;
      this.#tell("blocks of events can't be made: rows are read in their place", error);
    }
  }

  async #open(read: ReadTurn): Promise<void> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    try {
      const { size } = await file.stat();
      const count = Math.floor(size / blockBytes(this.runRows));
      const trailer = new DataView(new ArrayBuffer(TRAILER_BYTES));
      for (let index = 0; index < count; index++) {
        const at = (index + 1) * blockBytes(this.runRows) - TRAILER_BYTES;
        await readFully(file, at, new Uint8Array(trailer.buffer));
        const isWhole = trailer.getUint32(0, true) === MAGIC &&
          trailer.getUint32(ROWS_AT, true) === this.runRows;
        if (!isWhole) break;
        this.#blocks.push(timesOf(trailer));
      }
      if (this.#blocks.length < count || !await isOfRows(read, this.endSeq, trailer)) {
        this.#blocks = [];
        this.#tell("blocks of events are made anew", "blocks of other rows");
      }
    } finally {
      file.close();
    }
  }

  /** Puts a block in its place, over what a crash may have left there. */
  async #append(block: Uint8Array, index: number): Promise<void> {
    const file = await Deno.open(this.path, { write: true, create: true });
    try {
      // One before it was found damaged meanwhile: that comes first.
      if (index !== this.#blocks.length) return;
      await file.truncate(index * block.length);
      await file.seek(index * block.length, Deno.SeekMode.Start);
      for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
    } finally {
      file.close();
    }
    if (index !== this.#blocks.length) return;
    this.#blocks.push(timesOf(new DataView(block.buffer, block.length - TRAILER_BYTES)));
  }

  /** A block can't be read: it and those after it are made anew. */
  #spoiled(index: number, error: unknown = "a block is damaged"): void {
    if (index >= this.#blocks.length) return;
    this.#blocks.length = index;
    this.#tell("blocks of events are made anew", error);
  }

  #tell(message: string, error: unknown): void {
    this.#warn(message, { file: this.path, error: String(error) });
  }
}

/** Reads blocks, one after the other. */
export class BlockReader {
  readonly #file: Deno.FsFile;
  readonly #bytes: Uint8Array;
  readonly #rows: BlockRows;
  readonly #spoiled: (index: number) => void;

  constructor(file: Deno.FsFile, rows: number, spoiled: (index: number) => void) {
    this.#file = file;
    this.#bytes = new Uint8Array(blockBytes(rows));
    this.#rows = rowsIn(this.#bytes.buffer as ArrayBuffer, rows);
    this.#spoiled = spoiled;
  }

  /** The rows of a block; null when it is damaged. */
  async read(index: number): Promise<BlockRows | null> {
    const bytes = this.#bytes;
    const isThere = await readFully(this.#file, index * bytes.length, bytes);
    const sum = new DataView(bytes.buffer, bytes.length - TRAILER_BYTES).getUint32(CRC_AT, true);
    if (isThere && sum === crcOf(bytes)) return this.#rows;
    this.#spoiled(index);
    return null;
  }

  close(): void {
    this.#file.close();
  }
}

function blockBytes(rows: number): number {
  return rows * ROW_BYTES + TRAILER_BYTES;
}

function rowsIn(buffer: ArrayBuffer, rows: number): BlockRows {
  return {
    userHash: new Uint32Array(buffer, 0, 2 * rows),
    timestampMs: new Float64Array(buffer, USER_BYTES * rows, rows),
    series: new Int32Array(buffer, (USER_BYTES + TIME_BYTES) * rows, rows),
  };
}

function timesOf(trailer: DataView): BlockTimes {
  return { firstMs: trailer.getFloat64(FIRST_AT, true), lastMs: trailer.getFloat64(LAST_AT, true) };
}

function crcOf(block: Uint8Array): number {
  return crc32(block.subarray(0, block.length - TRAILER_BYTES + CRC_AT));
}

/** Whether the file has that many bytes from there on. */
async function readFully(file: Deno.FsFile, at: number, into: Uint8Array): Promise<boolean> {
  await file.seek(at, Deno.SeekMode.Start);
  for (let done = 0; done < into.length;) {
    const read = await file.read(into.subarray(done));
    if (read === null) return false;
    done += read;
  }
  return true;
}

/** Whether the last block, whose trailer this is, ends with the event that the rows have there. */
async function isOfRows(read: ReadTurn, endSeq: number, trailer: DataView): Promise<boolean> {
  if (endSeq === 0) return true;
  let isSame = false;
  const sql = `SELECT id_hash FROM events WHERE seq = ${integer(endSeq - 1)}`;
  await read((connection) =>
    readStream(connection, sql, [], (chunk) => {
      const [low, high] = chunk.pairs(0);
      isSame = trailer.getUint32(ID_LOW_AT, true) === low &&
        trailer.getUint32(ID_HIGH_AT, true) === high;
    })
  );
  return isSame;
}

/** A block of rows from `fromSeq` on; null when there are not so many. */
async function readRows(
  connection: Connection,
  fromSeq: number,
  rows: number,
): Promise<Uint8Array | null> {
  const block = new Uint8Array(blockBytes(rows));
  const { userHash, timestampMs, series } = rowsIn(block.buffer, rows);
  const trailer = new DataView(block.buffer, block.length - TRAILER_BYTES);
  let count = 0, firstMs = Infinity, lastMs = -Infinity;
  const sql = `SELECT user_hash, timestamp, series_id, id_hash FROM events
    WHERE seq >= ${integer(fromSeq)} AND seq < ${integer(fromSeq + rows)} ORDER BY seq`;
  await readStream(connection, sql, [], (chunk) => {
    const times = chunk.int64(1);
    userHash.set(chunk.pairs(0), 2 * count);
    timestampMs.set(times, count);
    series.set(chunk.int32(2), count);
    for (const time of times) {
      if (time < firstMs) firstMs = time;
      if (time > lastMs) lastMs = time;
    }
    count += chunk.count;
    const ids = chunk.pairs(3);
    trailer.setUint32(ID_LOW_AT, ids[ids.length - 2], true);
    trailer.setUint32(ID_HIGH_AT, ids[ids.length - 1], true);
  });
  if (count < rows) return null;
  trailer.setUint32(0, MAGIC, true);
  trailer.setUint32(ROWS_AT, rows, true);
  trailer.setFloat64(FIRST_AT, firstMs, true);
  trailer.setFloat64(LAST_AT, lastMs, true);
  trailer.setUint32(CRC_AT, crcOf(block), true);
  return block;
}
