/**
 * Kafka's records as records of the log. Consecutive single events of one origin (equal headers, and
 * of foreign ones an equal timestamp) become one record of many lines, so that a shard pays no price
 * per Kafka record; a record of many lines stays what it is.
 *
 * What is joined depends on nothing but what the records themselves say: an event's project and time
 * of arrival are the same however often, and from wherever, it is read again (but for one from the
 * far future, see arrival()).
 */
import { FUTURE_MS_MAX } from "../../config/limits.ts";
import type { LogRecord } from "../event_log.ts";
import type { RecordBatchReader } from "./record_batch_reader.ts";
import { readHeaders, type RecordOrigin } from "./record_headers.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;

export interface JoinOptions {
  /** Of records that do not name one. */
  readonly projectDefault: string;
  /** False = one record of the log for each of Kafka's, with its value as it is. */
  readonly join: boolean;
}

/** Where lines are gathered; shared by all joiners of the thread, since none is left half done. */
let gathered = new Uint8Array(0);

/** Makes records of the log of one partition. */
export class RecordJoiner {
  readonly #partition: number;
  readonly #options: JoinOptions;
  /** The headers that were read last, and what they say. */
  #headers = new Uint8Array(0);
  #origin: RecordOrigin | null = null;
  /** Where the next newline of `#searched` lies, found once however many records lie before it. */
  #searched = new Uint8Array(0);
  #newlineAt = -1;

  constructor(partition: number, options: JoinOptions) {
    this.#partition = partition;
    this.#options = options;
  }

  /**
   * One record of the log from the Kafka record that `reader` stands at, and perhaps those behind it.
   * @param bytesMax no more lines are joined once they have come to so many bytes
   * @param next moves the reader on; says whether there is another record
   */
  take(reader: RecordBatchReader, bytesMax: number, next: () => boolean): LogRecord {
    const origin = this.#originOf(reader);
    if (this.#options.join && origin.format === "json" && this.#isOneLine(reader)) {
      return this.#joinLines(reader, origin, bytesMax, next);
    }
    const lines = this.#options.join && origin.format === "ndjson";
    const value = lines ? linesOf(reader) : valueOf(reader);
    const record = {
      partition: this.#partition,
      offset: reader.offset,
      events: lines ? (origin.events >= 0 ? origin.events : countLines(value)) : 1,
      project: origin.project,
      receivedAtMs: arrival(origin, reader),
      value,
      format: origin.format,
      foreign: origin.foreign,
      ...traceOf(origin),
    };
    const nextOffset = endOf(reader, next);
    return lines ? { ...record, nextOffset, lineOffsets: "shared" } : { ...record, nextOffset };
  }

  #joinLines(
    reader: RecordBatchReader,
    origin: RecordOrigin,
    bytesMax: number,
    next: () => boolean,
  ): LogRecord {
    const { offset, timestampMs } = reader;
    const receivedAtMs = arrival(origin, reader);
    const timed = !Number.isNaN(origin.receivedAtMs);
    let lineOffsets: number[] | undefined;
    let bytes = 0;
    let events = 0;
    let nextOffset: number;
    do {
      bytes = gather(reader, bytes);
      if (lineOffsets === undefined && reader.offset !== offset + events) {
        lineOffsets = Array.from({ length: events }, (_, line) => offset + line);
      }
      lineOffsets?.push(reader.offset);
      events++;
      nextOffset = reader.passedOffset;
      if (!next()) {
        nextOffset = reader.passedOffset;
        break;
      }
    } while (
      bytes < bytesMax && this.#hasOrigin(reader) &&
      (timed || reader.timestampMs === timestampMs) && this.#isOneLine(reader)
    );
    const record: LogRecord = {
      partition: this.#partition,
      offset,
      nextOffset,
      events,
      project: origin.project,
      receivedAtMs,
      value: gathered.slice(0, bytes),
      format: "ndjson",
      foreign: origin.foreign,
      ...traceOf(origin),
    };
    return lineOffsets === undefined ? record : { ...record, lineOffsets };
  }

  #originOf(reader: RecordBatchReader): RecordOrigin {
    if (this.#origin === null || !this.#hasOrigin(reader)) {
      const { bytes, headersStart, headersEnd } = reader;
      this.#headers = bytes.slice(headersStart, headersEnd);
      const { projectDefault } = this.#options;
      this.#origin = readHeaders(this.#headers, 0, this.#headers.length, projectDefault);
    }
    return this.#origin;
  }

  /** Whether the record's headers are those that were read last, byte by byte. */
  #hasOrigin(reader: RecordBatchReader): boolean {
    const { bytes, headersStart, headersEnd } = reader;
    const headers = this.#headers;
    if (headersEnd - headersStart !== headers.length) return false;
    for (let i = 0; i < headers.length; i++) {
      if (bytes[headersStart + i] !== headers[i]) return false;
    }
    return true;
  }

  /**
   * Whether the value has bytes, none of them a newline. One that begins with white space stays by
   * itself: if there is nothing else in it, it would be a blank line, which is passed over.
   */
  #isOneLine(reader: RecordBatchReader): boolean {
    const { bytes, valueStart, valueEnd } = reader;
    if (valueStart === valueEnd || bytes[valueStart] <= SPACE) return false;
    if (bytes !== this.#searched || this.#newlineAt < valueStart) {
      this.#searched = bytes as Uint8Array<ArrayBuffer>;
      const found = bytes.indexOf(NEWLINE, valueStart);
      this.#newlineAt = found < 0 ? Infinity : found;
    }
    return this.#newlineAt >= valueEnd;
  }
}

/** Puts the value and a newline behind what was gathered; returns where they end. */
function gather(reader: RecordBatchReader, at: number): number {
  const { bytes, valueStart, valueEnd } = reader;
  const end = at + valueEnd - valueStart;
  if (end >= gathered.length) {
    const grown = new Uint8Array(2 * (end + 1));
    grown.set(gathered.subarray(0, at));
    gathered = grown;
  }
  gathered.set(bytes.subarray(valueStart, valueEnd), at);
  gathered[end] = NEWLINE;
  return end + 1;
}

/** Moves on; what is passed over behind the last record belongs to it. */
function endOf(reader: RecordBatchReader, next: () => boolean): number {
  const { passedOffset } = reader;
  return next() ? passedOffset : reader.passedOffset;
}

/**
 * A record that says no time at all came at the beginning of time. One from the far future, as only
 * a broken clock of another producer writes, comes now: it would make us forget ids too soon.
 */
function arrival(origin: RecordOrigin, reader: RecordBatchReader): number {
  const said = Number.isNaN(origin.receivedAtMs) ? reader.timestampMs : origin.receivedAtMs;
  if (said <= 0) return 0;
  const nowMs = Date.now();
  return said <= nowMs + FUTURE_MS_MAX ? said : nowMs;
}

/** A copy of the value; of null, no bytes. */
function valueOf({ bytes, valueStart, valueEnd }: RecordBatchReader): Uint8Array {
  return valueStart < 0 ? new Uint8Array(0) : bytes.slice(valueStart, valueEnd);
}

/** A copy of the value, the last line ended as well. */
function linesOf(reader: RecordBatchReader): Uint8Array {
  const { bytes, valueStart, valueEnd } = reader;
  if (valueStart === valueEnd || bytes[valueEnd - 1] === NEWLINE) return valueOf(reader);
  const lines = new Uint8Array(valueEnd - valueStart + 1);
  lines.set(bytes.subarray(valueStart, valueEnd));
  lines[lines.length - 1] = NEWLINE;
  return lines;
}

function countLines(lines: Uint8Array): number {
  let count = 0;
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

function traceOf({ traceparent }: RecordOrigin): { traceparent?: string } {
  return traceparent === null ? {} : { traceparent };
}
