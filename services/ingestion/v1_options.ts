/**
 * IngestOptions of `analytics.v1` in a JSON request: `{"event": ..., "options": {...}}`.
 *
 * Events are never parsed as a whole, so the options are looked for only in bodies that hold the
 * text `"options"` at all, which few do.
 */
import * as z from "zod";
import { jsonEnd, skipSpace, stringEnd } from "../../lib/event/check_json.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { AcceptMode } from "./accept_events.ts";

/** How a client wants its request taken. */
export interface IngestWishes {
  readonly mode: AcceptMode;
  /** Longest wait for the answer, ms; null = none named. */
  readonly timeoutMs: number | null;
}

/** Longest options as JSON text, bytes. */
const OPTIONS_BYTES_MAX = 1024;
/** Most members of a request that are looked at. */
const MEMBERS_MAX = 16;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const decoder = new TextDecoder();

const noWishes: IngestWishes = { mode: "durable", timeoutMs: null };

const flag = z.boolean().nullish();
const seconds = z.int32().min(0).nullish();
const schema = z.object({
  async: flag,
  validate_only: flag,
  validateOnly: flag,
  timeout_seconds: seconds,
  timeoutSeconds: seconds,
});

/**
 * The options of a request whose payload is the member `payload`. A body that is not JSON, or has
 * none, has no options: what is wrong with it is said by those who read the events.
 *
 * @throws {ProblemError} invalid_parameter
 */
export function readIngestOptions(
  bytes: Uint8Array<ArrayBuffer>,
  payload: "event" | "events",
): IngestWishes {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!text.includes('"options"')) return noWishes;
  const members = membersOf(bytes);
  const range = members.get("options");
  if (range === undefined || !members.has(payload)) return noWishes;
  if (range.end - range.start > OPTIONS_BYTES_MAX) throw invalidOptions("options", "is too long");
  const given: unknown = JSON.parse(text.toString("utf8", range.start, range.end));
  if (given === null) return noWishes;
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalidOptions(["options", ...issue.path].join("."), issue.message);
  }
  const options = parsed.data;
  const timeoutSeconds = options.timeout_seconds ?? options.timeoutSeconds ?? 0;
  const isCheck = options.validate_only ?? options.validateOnly ?? false;
  return {
    mode: isCheck ? "check" : options.async ? "async" : "durable",
    timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : null,
  };
}

function invalidOptions(field: string, fault: string): ProblemError {
  return new ProblemError("invalid_parameter", `${field}: ${fault}`, { field });
}

/**
 * Where the values of the outermost object's members lie, without parsing them: JSON.parse would
 * turn a body of nothing but brackets into a hundred times its size. Empty when it is no object.
 */
function membersOf(bytes: Uint8Array): Map<string, { start: number; end: number }> {
  const members = new Map<string, { start: number; end: number }>();
  const none = new Map();
  const limit = bytes.length;
  let at = skipSpace(bytes, 0, limit);
  if (bytes[at] !== OPEN_OBJECT) return none;
  do {
    at = skipSpace(bytes, at + 1, limit);
    const close = bytes[at] === QUOTE ? stringEnd(bytes, at + 1, limit) : -1;
    if (close < 0) return none;
    const key = decoder.decode(bytes.subarray(at + 1, close));
    at = skipSpace(bytes, close + 1, limit);
    if (bytes[at] !== COLON) return none;
    const start = skipSpace(bytes, at + 1, limit);
    const end = jsonEnd(bytes, start, limit);
    if (end < 0) return none;
    members.set(key, { start, end });
    at = skipSpace(bytes, end, limit);
  } while (bytes[at] === COMMA && members.size < MEMBERS_MAX);
  return bytes[at] === CLOSE_OBJECT ? members : none;
}

/**
 * Waits for `answer` no longer than `timeoutMs`.
 * @throws {ProblemError} deadline_exceeded; the events may become durable all the same
 */
export async function withinTimeout<T>(answer: Promise<T>, timeoutMs: number | null): Promise<T> {
  if (timeoutMs === null) return await answer;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const detail = "the events were not durable within options.timeout_seconds; they may be later";
    late.reject(new ProblemError("deadline_exceeded", detail));
  }, timeoutMs);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
