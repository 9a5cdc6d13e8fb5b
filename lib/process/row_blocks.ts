/**
 * Rows as a scan gives them, on their way to be grouped by user: blocks of typed arrays in which each
 * row has the number of its user, and the scatter that puts each user's rows together. Part of
 * user_rows.ts, which says what for.
 */

import { USER_ROWS_PARTS_MAX } from "../config/limits.ts";
import type { ScannedRows } from "../store/event_store.ts";
import { DenseIds } from "./dense_ids.ts";
import type { RowLabels } from "./row_labels.ts";
import { TooManyRows } from "./too_many_rows.ts";

/** Rows of one block: a few milliseconds of scatter. */
const BLOCK_ROWS = 65_536;

/** Users whose hash leaves the remainder `index` when divided by `of`, a power of two. */
export interface UserPart {
  readonly index: number;
  readonly of: number;
}

/** Columns of rows, each null when not wanted; meaning and units as in UserRows. */
export interface RowArrays {
  readonly timestampMs: Float64Array;
  readonly match: Int32Array;
  readonly series: Int32Array | null;
  readonly seq: Float64Array | null;
  readonly sessionHash: Uint32Array | null;
  readonly amount: Float64Array | null;
  readonly label: Int32Array | null;
}

interface Block extends RowArrays {
  readonly user: Int32Array;
  count: number;
}

export interface RowBlocksOptions {
  readonly part: UserPart;
  /** The only users whose rows are wanted; null = all. */
  readonly only: DenseIds | null;
  /** With more rows than this users are put off, while that is possible. */
  readonly rowsMax: number;
  readonly rowsOfOneMax: number;
  /** Of series, seq, session_hash, amount. */
  readonly columns: ReadonlySet<string>;
  /** Null = none are wanted. */
  readonly labels: RowLabels | null;
}

/** Rows did not come in order of the log, and `seq` was not kept. */
export class OutOfOrder extends Error {}

export class RowBlocks {
  /** Parts of the users that were put off. */
  readonly putOff: UserPart[] = [];
  types: ReadonlyMap<number, string> = new Map();
  readonly #options: RowBlocksOptions;
  #blocks: Block[] = [];
  #rows = 0;
  #users = new DenseIds();
  #of: number;
  #inOrder = true;
  readonly #labelsOf: (rows: ScannedRows) => Int32Array | null;
  #cursor: Int32Array | null = null;

  constructor(options: RowBlocksOptions) {
    this.#options = options;
    this.#of = options.part.of;
    this.#labelsOf = options.labels?.ofScan() ?? (() => null);
  }

  /** Whether rows came in order of the log, so that a stable scatter keeps it. */
  get inOrder(): boolean {
    return this.#inOrder;
  }

  /** Hashes of the users by number, uint64 pairs. */
  userHash(): Uint32Array {
    return this.#users.pairs();
  }

  /** Takes the rows in. Throws OutOfOrder and TooManyRows. */
  add(rows: ScannedRows): void {
    this.types = rows.types;
    if (!rows.inOrder) {
      this.#inOrder = false;
      if (!this.#options.columns.has("seq")) throw new OutOfOrder();
    }
    const label = this.#labelsOf(rows);
    const takesAll = this.#of === this.#options.part.of && this.#options.only === null;
    for (let at = 0; at < rows.count;) {
      const block = this.#openBlock();
      at = takesAll
        ? this.#copyAll(block, rows, label, at)
        : this.#copyPart(block, rows, label, at);
    }
    // Once for each chunk at most, so that other work can go on in between.
    if (this.#rows > this.#options.rowsMax) this.#putOffHalf();
  }

  /** By user: where its rows begin; one more for the end of all. */
  userStarts(): Int32Array {
    const starts = new Int32Array(this.#users.count + 1);
    for (const { user, count } of this.#blocks) {
      for (let i = 0; i < count; i++) starts[user[i] + 1]++;
    }
    for (let id = 0; id < this.#users.count; id++) starts[id + 1] += starts[id];
    return starts;
  }

  /** Empty columns for all rows. */
  prepareScatter(): RowArrays {
    return makeArrays(this.#rows, this.#options.columns, this.#options.labels !== null);
  }

  /** Puts the rows of one block where they belong and forgets it; false = none is left. */
  scatterNext(userStart: Int32Array, into: RowArrays): boolean {
    const cursor = this.#cursor ??= userStart.slice();
    const block = this.#blocks.shift();
    if (block === undefined) return false;
    const { user, count, timestampMs, match, series, seq, sessionHash, amount, label } = block;
    const { timestampMs: times, match: matches } = into;
    if (!series && !seq && !sessionHash && !amount && !label) {
      for (let i = 0; i < count; i++) {
        const to = cursor[user[i]]++;
        times[to] = timestampMs[i];
        matches[to] = match[i];
      }
    } else {
      for (let i = 0; i < count; i++) copyRow(block, i, into, cursor[user[i]]++);
    }
    return true;
  }

  #openBlock(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.count < BLOCK_ROWS) return last;
    const { columns, labels } = this.#options;
    const arrays = makeArrays(BLOCK_ROWS, columns, labels !== null);
    const block = { ...arrays, user: new Int32Array(BLOCK_ROWS), count: 0 };
    this.#blocks.push(block);
    return block;
  }

  /** Copies rows from `at` on into the block; gives the first that had no room. */
  #copyAll(block: Block, rows: ScannedRows, label: Int32Array | null, at: number): number {
    const users = this.#users;
    const { userHash } = rows;
    const to = block.count;
    const end = Math.min(rows.count, at + BLOCK_ROWS - to);
    users.idsOf(userHash!, at, end, block.user, to);
    block.timestampMs.set(rows.timestampMs!.subarray(at, end), to);
    if (rows.match) block.match.set(rows.match.subarray(at, end), to);
    block.series?.set(rows.series.subarray(at, end), to);
    block.seq?.set(rows.seq!.subarray(at, end), to);
    block.amount?.set(rows.amount!.subarray(at, end), to);
    block.label?.set(label!.subarray(at, end), to);
    block.sessionHash?.set(rows.sessionHash!.subarray(2 * at, 2 * end), 2 * to);
    block.count += end - at;
    this.#rows += end - at;
    return end;
  }

  /** The same for the users that are wanted and were not put off. */
  #copyPart(block: Block, rows: ScannedRows, label: Int32Array | null, at: number): number {
    const { userHash, timestampMs, match, series, seq, amount, sessionHash } = rows;
    const mask = this.#of - 1;
    const { only, part: { index } } = this.#options;
    let to = block.count;
    for (; at < rows.count && to < BLOCK_ROWS; at++) {
      const low = userHash![2 * at];
      const high = userHash![2 * at + 1];
      if ((low & mask) !== index || only?.has(low, high) === false) continue;
      block.user[to] = this.#users.idOf(low, high);
      const row = { timestampMs, match, series, seq, amount, sessionHash, label };
      copyRow(row as RowArrays, at, block, to++);
    }
    this.#rows += to - block.count;
    block.count = to;
    return at;
  }

  /** Forgets the rows of half of the users: those whose hash has the next bit set. */
  #putOffHalf(): void {
    const { part: { index }, rowsOfOneMax } = this.#options;
    if (2 * this.#of > USER_ROWS_PARTS_MAX) {
      if (this.#rows > rowsOfOneMax) throw new TooManyRows("rows");
      return;
    }
    const bit = this.#of;
    this.#of *= 2;
    this.putOff.push({ index: index + bit, of: this.#of });
    const before = this.#users;
    const blocks = this.#blocks;
    this.#users = new DenseIds();
    this.#blocks = [];
    this.#rows = 0;
    const idNow = new Int32Array(before.count).fill(-1);
    for (let id = 0; id < before.count; id++) {
      const low = before.lowOf(id);
      if ((low & bit) === 0) idNow[id] = this.#users.idOf(low, before.highOf(id));
    }
    for (const from of blocks) {
      for (let i = 0; i < from.count; i++) {
        const id = idNow[from.user[i]];
        if (id < 0) continue;
        const block = this.#openBlock();
        block.user[block.count] = id;
        copyRow(from, i, block, block.count++);
        this.#rows++;
      }
    }
  }
}

function makeArrays(rows: number, columns: ReadonlySet<string>, labelled: boolean): RowArrays {
  return {
    timestampMs: new Float64Array(rows),
    match: new Int32Array(rows),
    series: columns.has("series") ? new Int32Array(rows) : null,
    seq: columns.has("seq") ? new Float64Array(rows) : null,
    sessionHash: columns.has("session_hash") ? new Uint32Array(2 * rows) : null,
    amount: columns.has("amount") ? new Float64Array(rows) : null,
    label: labelled ? new Int32Array(rows) : null,
  };
}

/** One row, as far as `to` has columns for it. */
function copyRow(from: RowArrays, at: number, to: RowArrays, place: number): void {
  to.timestampMs[place] = from.timestampMs[at];
  // Rows of a scan without matches have none.
  if (from.match) to.match[place] = from.match[at];
  if (to.series) to.series[place] = from.series![at];
  if (to.seq) to.seq[place] = from.seq![at];
  if (to.amount) to.amount[place] = from.amount![at];
  if (to.label) to.label[place] = from.label![at];
  if (to.sessionHash) {
    to.sessionHash[2 * place] = from.sessionHash![2 * at];
    to.sessionHash[2 * place + 1] = from.sessionHash![2 * at + 1];
  }
}
