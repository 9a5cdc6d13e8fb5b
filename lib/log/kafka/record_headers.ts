/**
 * Headers of our Kafka records: what the lines themselves do not say.
 *
 *     project      of all events of the record
 *     received_at  when the platform took them in, ms since the epoch, decimal text
 *     format       "json" = the value is one event, "ndjson" = lines, each ended by 0x0a
 *     events       how many lines, with ndjson
 *     traceparent  of the request that all its events came with (W3C Trace Context), if it had one
 *
 * A record without `format` was written by somebody else. Its `project`, if it has one, counts.
 */
import { TRACEPARENT_HEADER, traceparentOf } from "../../telemetry/trace_context.ts";
import { writeVarint } from "./wire_bytes.ts";

/** What headers say of a record. */
export interface RecordOrigin {
  readonly project: string;
  /** NaN = not said: the record's own timestamp counts. */
  readonly receivedAtMs: number;
  readonly format: "json" | "ndjson";
  readonly traceparent: string | null;
  /** -1 = not said. */
  readonly events: number;
  /** No `format` header. */
  readonly foreign: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The headers of a record of ours as its bytes, their number first. */
export function encodeHeaders(
  project: string,
  receivedAtMs: number,
  format: "json" | "ndjson",
  events: number,
  traceparent: string | null = null,
): Uint8Array {
  const headers = [["project", project], ["received_at", `${receivedAtMs}`], ["format", format]];
  if (format === "ndjson") headers.push(["events", `${events}`]);
  if (traceparent !== null) headers.push([TRACEPARENT_HEADER, traceparent]);
  const texts = headers.flat().map((text) => encoder.encode(text));
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + 5 + text.length, 5));
  let at = writeVarint(bytes, 0, headers.length);
  for (const text of texts) {
    at = writeVarint(bytes, at, text.length);
    bytes.set(text, at);
    at += text.length;
  }
  return bytes.slice(0, at);
}

/**
 * Reads the headers at `bytes[start, end)`, their number first; the last one of a name counts.
 * Damaged headers are as good as none.
 */
export function readHeaders(
  bytes: Uint8Array,
  start: number,
  end: number,
  projectDefault: string,
): RecordOrigin {
  const values = headerTexts(bytes, start, end);
  const format = values.get("format");
  const receivedAt = values.get("received_at") ?? "";
  const events = values.get("events") ?? "";
  return {
    project: values.get("project") || projectDefault,
    receivedAtMs: /^\d{1,15}(\.\d{1,9})?$/.test(receivedAt) ? Number(receivedAt) : NaN,
    format: format === "ndjson" ? "ndjson" : "json",
    traceparent: traceparentOf(values.get(TRACEPARENT_HEADER) ?? null),
    events: /^\d{1,9}$/.test(events) ? Number(events) : -1,
    foreign: format === undefined,
  };
}

function headerTexts(bytes: Uint8Array, start: number, end: number): Map<string, string> {
  const texts = new Map<string, string>();
  let at = start;
  const number = (): number => {
    let zigzag = 0;
    for (let shift = 0; at < end && shift < 35; shift += 7) {
      const byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    return -1;
  };
  const text = (): string | null => {
    const length = number();
    if (length < 0 || at + length > end) return null;
    at += length;
    return decoder.decode(bytes.subarray(at - length, at));
  };
  for (let left = number(); left > 0 && at < end; left--) {
    const name = text();
    const value = text();
    if (name !== null && value !== null) texts.set(name, value);
  }
  return texts;
}
