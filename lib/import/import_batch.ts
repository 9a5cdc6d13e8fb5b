/**
 * ImportBatch: the rows of one request as its NDJSON body, and the place in the file after them.
 */
import { IMPORT_BATCH_BYTES_MAX } from "../config/limits.ts";
import { ImportError } from "./import_error.ts";
import type { SourceRow } from "./source_row.ts";

const NEWLINE = 0x0a;
const capacityFirst = 256 * 1024;
const encoder = new TextEncoder();

/** A row that is not in the platform, as the file of refused rows keeps it. */
export interface RefusedRow {
  readonly row: number;
  readonly code: string;
  /** Field at fault; "" = the whole row. */
  readonly field: string;
  readonly message: string;
  /** What was sent, or would have been. */
  readonly event: Uint8Array;
}

/** Where a row without a line end at the end of the file stands. */
export interface OpenRow {
  readonly row: number;
  readonly event: Uint8Array;
}

/** Filled row by row, then sent, then forgotten. */
export class ImportBatch {
  /** Rows in it, faulty ones too. */
  rows = 0;
  /** Number of the last one. */
  lastRow = 0;
  /** Unpacked bytes of the file up to the end of its last whole row; -1 = it has none. */
  end = -1;
  /** Its last row, if that has no line end. */
  openRow: OpenRow | null = null;
  readonly faults: RefusedRow[] = [];
  #body: Uint8Array<ArrayBuffer> = new Uint8Array(capacityFirst);
  #length = 0;
  /** By event: where it begins in the body, and its row. */
  readonly #starts: number[] = [];
  readonly #rowNumbers: number[] = [];

  /** @param eventsMax events after which it is full */
  constructor(readonly eventsMax: number) {}

  /** Events in the body. */
  get events(): number {
    return this.#starts.length;
  }

  /** Whether it should be sent before another row comes in. */
  get isFull(): boolean {
    return this.rows >= this.eventsMax || this.#length >= IMPORT_BATCH_BYTES_MAX;
  }

  /** The events as NDJSON. */
  get body(): Uint8Array<ArrayBuffer> {
    return this.#body.subarray(0, this.#length);
  }

  add(row: SourceRow): void {
    this.rows++;
    this.lastRow = row.number;
    const event = typeof row.event === "string" ? encoder.encode(row.event) : row.event;
    if (row.whole) this.end = row.end;
    else this.openRow = { row: row.number, event: event.slice() };
    if (row.fault !== null) {
      const { code, message } = row.fault;
      this.faults.push({ row: row.number, code, field: "", message, event: event.slice() });
      return;
    }
    this.#reserve(event.length + 1);
    this.#starts.push(this.#length);
    this.#rowNumbers.push(row.number);
    this.#body.set(event, this.#length);
    this.#length += event.length;
    this.#body[this.#length++] = NEWLINE;
  }

  /** The row that the platform calls the event `index`; its bytes are valid while the batch is. */
  rowOf(index: number): { row: number; event: Uint8Array } {
    if (!(index in this.#starts)) {
      throw new ImportError("RTA_IMPORT_SERVER", `the platform refused an event ${index}, of none`);
    }
    const end = (this.#starts[index + 1] ?? this.#length) - 1;
    return { row: this.#rowNumbers[index], event: this.#body.subarray(this.#starts[index], end) };
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#body.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#body.length * 2));
    larger.set(this.body);
    this.#body = larger;
  }
}
