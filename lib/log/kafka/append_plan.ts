/**
 * The batches of one append and one partition as record batches, one after the other. Neighbours of
 * one project and trace get the same headers, so that a reader can join their events again, and in records of
 * many lines become one record, as the embedded log does it.
 */
import {
  EVENT_BYTES_MAX,
  KAFKA_BATCH_BYTES_MAX,
  KAFKA_RECORD_BYTES_MAX,
} from "../../config/limits.ts";
import type { AppendBatch } from "../event_log.ts";
import { isOfOneOrigin } from "../one_origin.ts";
import type { Compression } from "./codecs.ts";
import { RecordBatchWriter } from "./record_batch_writer.ts";
import { encodeHeaders } from "./record_headers.ts";
import { findUserKey, UserKey } from "./user_key.ts";

const NEWLINE = 0x0a;
/** A batch that one event surely fits into, whatever its key and headers. */
const BATCH_BYTES_LEAST = 2 * EVENT_BYTES_MAX;
/** More than a record of many lines ever has of them. */
const EVENTS_LONGEST = 999_999_999;

/** How records are made. */
export interface RecordForm {
  readonly records: "single" | "batched";
  readonly compression: Compression;
}

/** Where in the append a record batch begins or ends. */
interface Place {
  /** Index in the partition's list. */
  readonly item: number;
  /** Byte of that item's lines. */
  readonly at: number;
}

/** One record batch, to be stamped and sent; valid until the plan's next but one is made. */
export interface SealedBatch {
  readonly partition: number;
  readonly bytes: Uint8Array;
  readonly records: number;
  /** Lines in all its records. */
  readonly events: number;
  readonly from: Place;
}

/** Neighbours of one project and trace, from one item on. */
interface Run {
  readonly project: string;
  readonly traceparent: string | null;
  /** The newest of its times: an event must not look as if it had come before it was made. */
  readonly receivedAtMs: number;
  /** Of records of one event each; records of many lines say how many beside. */
  readonly headers: Uint8Array;
  /** Most bytes of headers of one record. */
  readonly headerBytesMax: number;
}

/** Record batches of one partition; made once, begun anew for each append. */
export class AppendPlan {
  readonly #form: RecordForm;
  /** Two, so that one can be filled while the other is under way. */
  readonly #writers = [KAFKA_BATCH_BYTES_MAX, KAFKA_BATCH_BYTES_MAX]
    .map((bytesMax) => new RecordBatchWriter(bytesMax));
  readonly #key = new UserKey();
  /** Lines of one record that is put together. */
  #lines = new Uint8Array(0);
  #events = 0;
  #items: readonly AppendBatch[] = [];
  #runs: readonly Run[] = [];
  #item = 0;
  #at = 0;
  /** What the broker is known to take. */
  #bytesMax = KAFKA_BATCH_BYTES_MAX;
  /** Less than that, for the rest of this append. */
  #bytesMaxNow = KAFKA_BATCH_BYTES_MAX;

  constructor(readonly partition: number, form: RecordForm) {
    this.#form = form;
  }

  begin(items: readonly AppendBatch[]): void {
    this.#items = items;
    this.#runs = runsOf(items);
    this.#item = this.#at = 0;
    this.#bytesMaxNow = this.#bytesMax;
  }

  /** The next record batch; null when all is planned. */
  next(): SealedBatch | null {
    if (this.#item >= this.#items.length) return null;
    const from = { item: this.#item, at: this.#at };
    const writer = this.#writers[0];
    this.#writers.reverse();
    writer.reset(this.#bytesMaxNow);
    this.#events = 0;
    if (this.#form.records === "single") this.#addEvents(writer);
    else this.#addLines(writer);
    const bytes = writer.seal(this.#form.compression);
    const { records } = writer;
    return { partition: this.partition, bytes, records, events: this.#events, from };
  }

  /**
   * The broker found the last batch too large: goes back to its beginning with smaller ones. When it
   * was one event already, that event's item is given up.
   * @returns the indexes of items that were given up
   */
  shrink(batch: SealedBatch): number[] {
    if (batch.events === 1) return this.giveUp(batch);
    const { item, at } = batch.from;
    this.#item = item;
    this.#at = at;
    this.#bytesMaxNow = Math.floor(batch.bytes.length / 2);
    this.#bytesMax = Math.max(this.#bytesMaxNow, BATCH_BYTES_LEAST);
    return [];
  }

  /**
   * The broker will not have the last batch: goes on behind the items that it touched.
   * @returns their indexes
   */
  giveUp(batch: SealedBatch): number[] {
    const { from: { item } } = batch;
    const end = this.#at > 0 ? this.#item + 1 : this.#item;
    this.#item = end;
    this.#at = 0;
    return Array.from({ length: end - item }, (_, index) => item + index);
  }

  /** Single: each line a record, keyed by its user. */
  #addEvents(writer: RecordBatchWriter): void {
    const key = this.#key;
    for (; this.#item < this.#items.length; this.#item++, this.#at = 0) {
      const { value } = this.#items[this.#item];
      const { headers, receivedAtMs } = this.#runs[this.#item];
      const timestampMs = Math.floor(receivedAtMs);
      while (this.#at < value.length) {
        const start = this.#at;
        const end = value.indexOf(NEWLINE, start);
        findUserKey(value, start, end, key);
        const bytes = key.end - key.start + end - start + headers.length;
        if (writer.records > 0 && !writer.hasRoomFor(bytes, timestampMs)) return;
        writer.add(timestampMs, key, value, start, end, headers);
        this.#events++;
        this.#at = end + 1;
      }
    }
  }

  /** Batched: as many lines of a run as a record and the batch can hold. */
  #addLines(writer: RecordBatchWriter): void {
    while (this.#item < this.#items.length) {
      const run = this.#runs[this.#item];
      const timestampMs = Math.floor(run.receivedAtMs);
      const first = writer.records === 0;
      if (!first && !writer.hasRoomFor(run.headerBytesMax, timestampMs)) return;
      const room = Math.min(KAFKA_RECORD_BYTES_MAX, writer.room - run.headerBytesMax);
      const before = this.#events;
      const bytes = this.#gather(run, room, first);
      if (bytes === 0) return;
      const { project, receivedAtMs, traceparent } = run;
      const events = this.#events - before;
      const headers = encodeHeaders(project, receivedAtMs, "ndjson", events, traceparent);
      writer.add(timestampMs, NO_KEY, this.#lines, 0, bytes, headers);
    }
  }

  /**
   * Puts lines of the run into #lines, up to `bytesMax`, or one line in any case when `force`;
   * returns their bytes.
   */
  #gather(run: Run, bytesMax: number, force: boolean): number {
    let bytes = 0;
    while (this.#item < this.#items.length && this.#runs[this.#item] === run) {
      const { value, events } = this.#items[this.#item];
      const start = this.#at;
      const end = cutLines(value, start, bytesMax - bytes, force && bytes === 0);
      if (end === start) break;
      this.#copy(value.subarray(start, end), bytes);
      bytes += end - start;
      const whole = start === 0 && end === value.length;
      this.#events += whole ? events : countLines(value, start, end);
      if (end < value.length) {
        this.#at = end;
        break;
      }
      this.#item++;
      this.#at = 0;
    }
    return bytes;
  }

  #copy(lines: Uint8Array, at: number): void {
    if (at + lines.length > this.#lines.length) {
      const grown = new Uint8Array(Math.max(KAFKA_RECORD_BYTES_MAX, at + lines.length));
      grown.set(this.#lines.subarray(0, at));
      this.#lines = grown;
    }
    this.#lines.set(lines, at);
  }
}

const NO_KEY = new UserKey();

/** The run that each item belongs to. */
function runsOf(items: readonly AppendBatch[]): Run[] {
  const runs: Run[] = [];
  for (let from = 0, to = 0; from < items.length; from = to) {
    const { project, traceparent = null } = items[from];
    let receivedAtMs = 0;
    for (; to < items.length && isOfOneOrigin(items[from], items[to]); to++) {
      receivedAtMs = Math.max(receivedAtMs, items[to].receivedAtMs);
    }
    const longest = encodeHeaders(project, receivedAtMs, "ndjson", EVENTS_LONGEST, traceparent);
    const run = {
      project,
      traceparent,
      receivedAtMs,
      headers: encodeHeaders(project, receivedAtMs, "json", 1, traceparent),
      headerBytesMax: longest.length,
    };
    for (let item = from; item < to; item++) runs.push(run);
  }
  return runs;
}

/** End of the whole lines from `start` on that take `bytesMax` at most; of one line when forced. */
function cutLines(value: Uint8Array, start: number, bytesMax: number, force: boolean): number {
  if (value.length - start <= bytesMax) return value.length;
  const last = bytesMax > 0 ? value.lastIndexOf(NEWLINE, start + bytesMax - 1) + 1 : start;
  if (last > start) return last;
  return force ? value.indexOf(NEWLINE, start) + 1 : start;
}

function countLines(value: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; count++) at = value.indexOf(NEWLINE, at) + 1;
  return count;
}
