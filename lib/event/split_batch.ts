/**
 * Batches: walks a JSON array of events or NDJSON and hands each event to a sink, in one pass.
 *
 * A sink gets every event before it is known whether the whole body is good: where an array turns
 * out not to be JSON further on, the splitter answers with a problem, and the caller drops all that
 * the sink was given. In NDJSON each line stands for itself.
 */
import { jsonEnd, skipSpace, stringEnd } from "./check_json.ts";
import type { EventScan } from "./event_scan.ts";
import { SCAN_COMPLETE, SCAN_DEFAULTS, SCAN_INVALID, SCAN_SLOW } from "./event_scan.ts";
import type { ReasonCode } from "./reasons.ts";
import { scanFast, scanSyntax } from "./scan.ts";
import { decodeUtf8 } from "./text_coding.ts";

/** Where the events of a batch go. `start` and `end` enclose the value without white space. */
export interface BatchSink {
  /** A valid event that lacks nothing. `scan` is filled again for the next event. */
  complete(bytes: Uint8Array, start: number, end: number, scan: EventScan): void;
  /** A valid event that lacks its id, its timestamp or both: see insertDefaults. */
  defaults(bytes: Uint8Array, start: number, end: number, scan: EventScan): void;
  /** JSON that the slow path has to judge. */
  slow(bytes: Uint8Array, start: number, end: number): void;
  /** A line that is not JSON or not UTF-8 (NDJSON only); the slow path knows which. */
  invalid(bytes: Uint8Array, start: number, end: number): void;
}

/** Why a batch as a whole is refused. */
export interface BatchProblem {
  readonly code: ReasonCode;
  /** Key of the wrapper at fault; "" = the whole body. */
  readonly field: string;
  readonly message: string;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Most keys of the wrapper, `events` among them: they are ignored, but read to find doubles. */
const WRAPPER_KEYS_MAX = 64;

/** A batch that is being walked. */
interface Walk {
  readonly bytes: Uint8Array;
  readonly receivedAtMs: number;
  readonly scan: EventScan;
  readonly sink: BatchSink;
  readonly maxEvents: number;
  events: number;
}

/**
 * Walks `{"events":[...]}`, whose other keys are ignored, or a bare `[...]`.
 *
 * @returns null when the whole body was walked and holds 1 to `maxEvents` events; else the problem,
 *   and what the sink got counts for nothing
 */
export function splitJsonBatch(
  bytes: Uint8Array,
  receivedAtMs: number,
  scan: EventScan,
  sink: BatchSink,
  maxEvents: number,
): BatchProblem | null {
  const walk: Walk = { bytes, receivedAtMs, scan, sink, maxEvents, events: 0 };
  const at = skipSpace(bytes, 0, bytes.length);
  let end: number | BatchProblem;
  if (bytes[at] === OPEN_ARRAY) end = walkArray(walk, at);
  else if (bytes[at] === OPEN_OBJECT) end = walkWrapper(walk, at);
  else {
    end = jsonEnd(bytes, at, bytes.length);
    if (end >= 0) {
      return problem("not_an_object", "", 'a batch must be {"events":[...]} or an array of events');
    }
  }
  if (typeof end !== "number") return end;
  const rest = end < 0 ? ~end : skipSpace(bytes, end, bytes.length);
  if (end < 0 || rest < bytes.length) return syntaxProblem(bytes, rest);
  return walk.events === 0 ? problem("empty_batch", "events", "send at least one event") : null;
}

/** From the `[`: index after the `]`, ~fault, or a problem. */
function walkArray(walk: Walk, at: number): number | BatchProblem {
  const { bytes, scan } = walk;
  const limit = bytes.length;
  at = skipSpace(bytes, at + 1, limit);
  if (at < limit && bytes[at] === CLOSE_ARRAY) return at + 1;
  at--;
  do {
    at = skipSpace(bytes, at + 1, limit);
    if (++walk.events > walk.maxEvents) return tooMany(walk.maxEvents);
    let verdict = scanFast(bytes, at, limit, walk.receivedAtMs, scan);
    if (verdict === SCAN_SLOW) verdict = scanSyntax(bytes, at, limit, scan);
    if (verdict === SCAN_INVALID) return ~scan.end;
    at = scan.end;
    give(walk, verdict, scan.start, scan.end);
    at = skipSpace(bytes, at, limit);
  } while (at < limit && bytes[at] === COMMA);
  return at < limit && bytes[at] === CLOSE_ARRAY ? at + 1 : ~at;
}

function give(walk: Walk, verdict: number, start: number, end: number): void {
  const { sink, bytes, scan } = walk;
  if (verdict === SCAN_COMPLETE) sink.complete(bytes, start, end, scan);
  else if (verdict === SCAN_DEFAULTS) sink.defaults(bytes, start, end, scan);
  else if (verdict === SCAN_SLOW) sink.slow(bytes, start, end);
  else sink.invalid(bytes, start, end);
}

/** From the `{`: index after the `}`, ~fault, or a problem. */
function walkWrapper(walk: Walk, at: number): number | BatchProblem {
  const { bytes } = walk;
  const limit = bytes.length;
  const keys = new Set<string>();
  at = skipSpace(bytes, at + 1, limit);
  if (at >= limit || bytes[at] !== CLOSE_OBJECT) {
    at--;
    do {
      at = skipSpace(bytes, at + 1, limit);
      const close = at < limit && bytes[at] === QUOTE ? stringEnd(bytes, at + 1, limit) : ~at;
      if (close < 0) return close;
      const key: string = JSON.parse(decodeUtf8(bytes.subarray(at, close + 1)));
      if (key === "__proto__") return problem("forbidden_key", key, "rename the key __proto__");
      if (keys.has(key)) return problem("duplicate_key", key, "send each key once");
      keys.add(key);
      if (keys.size > WRAPPER_KEYS_MAX) {
        return problem("invalid_parameter", "", `send at most ${WRAPPER_KEYS_MAX} keys in a batch`);
      }
      at = skipSpace(bytes, close + 1, limit);
      if (at >= limit || bytes[at] !== COLON) return ~at;
      at = skipSpace(bytes, at + 1, limit);
      const end = key === "events" ? walkEvents(walk, at) : jsonEnd(bytes, at, limit);
      if (typeof end !== "number" || end < 0) return end;
      at = skipSpace(bytes, end, limit);
    } while (at < limit && bytes[at] === COMMA);
    if (at >= limit || bytes[at] !== CLOSE_OBJECT) return ~at;
  }
  if (keys.has("events")) return at + 1;
  const end = skipSpace(bytes, at + 1, limit);
  return end < limit
    ? ~end
    : problem("missing_field", "events", "send the events as the array `events`");
}

/** From the value of `events`. */
function walkEvents(walk: Walk, at: number): number | BatchProblem {
  if (walk.bytes[at] === OPEN_ARRAY) return walkArray(walk, at);
  const end = jsonEnd(walk.bytes, at, walk.bytes.length);
  return end < 0 ? end : problem("wrong_type", "events", "events must be an array");
}

/**
 * Walks NDJSON: one event a line, lines ended by "\n" or "\r\n", the last one's end left out at
 * will, blank lines skipped. A bad line is `invalid` for itself alone.
 *
 * @returns null when 1 to `maxEvents` lines were walked, else the problem
 */
export function splitNdjson(
  bytes: Uint8Array,
  receivedAtMs: number,
  scan: EventScan,
  sink: BatchSink,
  maxEvents: number,
): BatchProblem | null {
  const walk: Walk = { bytes, receivedAtMs, scan, sink, maxEvents, events: 0 };
  const limit = bytes.length;
  // skipSpace takes blank lines along.
  for (let at = skipSpace(bytes, 0, limit); at < limit; at = skipSpace(bytes, at, limit)) {
    if (++walk.events > maxEvents) return tooMany(maxEvents);
    // A quick scan never leaves the line, so the line's end is looked for only when it gives up.
    const verdict = scanFast(bytes, at, limit, receivedAtMs, scan);
    const end = verdict === SCAN_SLOW ? -1 : endOfLineAfter(bytes, scan.end);
    if (end >= 0) {
      give(walk, verdict, scan.start, scan.end);
      at = end;
    } else {
      at = walkOddLine(walk, at);
    }
  }
  return walk.events === 0 ? problem("empty_batch", "", "send at least one event") : null;
}

/** The place of the newline, or of the end of all, when only blanks come before it; else -1. */
function endOfLineAfter(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  if (at < bytes.length && bytes[at] === CARRIAGE_RETURN) at++;
  return at >= bytes.length || bytes[at] === NEWLINE ? at : -1;
}

/** A line that the quick scan gave up on; gives the place of its newline or the end of all. */
function walkOddLine(walk: Walk, start: number): number {
  const { bytes, scan } = walk;
  const newline = bytes.indexOf(NEWLINE, start);
  const lineEnd = newline < 0 ? bytes.length : newline;
  let end = lineEnd;
  while (end > start && isBlank(bytes[end - 1])) end--;
  const verdict = scanSyntax(bytes, start, end, scan);
  give(walk, verdict === SCAN_SLOW && scan.end === end ? SCAN_SLOW : SCAN_INVALID, start, end);
  return lineEnd;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN;
}

function problem(code: ReasonCode, field: string, message: string): BatchProblem {
  return { code, field, message };
}

function tooMany(maxEvents: number): BatchProblem {
  return problem(
    "too_many_events",
    "events",
    `a batch holds at most ${maxEvents} events; send it in parts`,
  );
}

/** Not UTF-8, or not JSON at byte `at`. */
function syntaxProblem(bytes: Uint8Array, at: number): BatchProblem {
  try {
    decodeUtf8(bytes);
  } catch {
    return problem("invalid_utf8", "", "the body is not valid UTF-8; send JSON encoded as UTF-8");
  }
  if (at >= bytes.length) {
    return problem("invalid_json", "", "the JSON text is cut off; send the whole batch");
  }
  return problem("invalid_json", "", `the body is not valid JSON (RFC 8259) at byte ${at}`);
}
