/**
 * A dead letter as a record of the topic `analytics-events-dlq`, for any Kafka client.
 *
 *     key       the id: <topic>-<partition>-<offset>-<line>
 *     value     the original bytes of the line, as they were (cut at DEAD_LETTER_PAYLOAD_BYTES_MAX)
 *     headers   all UTF-8 text
 *       version        1
 *       topic          where the line stood
 *       partition      decimal
 *       offset         decimal
 *       line           decimal, from 0
 *       project
 *       reason         a code of lib/event/reasons.ts, or poison
 *       message        what is wrong, in a sentence
 *       time           when it was set aside, ms since the epoch, decimal
 *       received_at    when its record came into the log, ms since the epoch, decimal
 *       payload_bytes  length of the whole line, decimal; longer than the value when that was cut
 *
 * A reader takes records of version 1 with further headers, and passes over what it can't read.
 */
import { boundedLetter, type DeadLetter, LETTER_TIME_MS_MAX } from "./dead_letter.ts";

const VERSION = "1";
const REASON = /^[a-z][a-z0-9_]{0,63}$/;
/** Texts and how many characters they may have; Kafka's topics have 249 at most. */
const TEXT_HEADERS = { topic: 249, project: 256, reason: 64, message: 65_536 };
/** Numbers and how large they may be. */
const NUMBER_HEADERS = {
  partition: 0x7fff_ffff,
  offset: Number.MAX_SAFE_INTEGER,
  line: 0x7fff_ffff,
  time: LETTER_TIME_MS_MAX,
  received_at: LETTER_TIME_MS_MAX,
  payload_bytes: 0x7fff_ffff,
};

/** What a producer is given. */
export interface DeadLetterRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A header as a consumer gives it; only the first of several values counts. */
type HeaderValue = Uint8Array | string | readonly (Uint8Array | string)[] | undefined;

/** A record as a consumer gives it; that of kafkajs is one. */
export interface ConsumedRecord {
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, HeaderValue>>;
}

/** A letter, or why the record is none. */
export type DecodedDeadLetter =
  | { readonly ok: true; readonly letter: DeadLetter }
  | { readonly ok: false; readonly why: string };

/** The record of a letter. */
export function encodeDeadLetter(letter: DeadLetter): DeadLetterRecord {
  return {
    key: letter.id,
    value: letter.payload,
    headers: {
      version: VERSION,
      topic: letter.topic,
      partition: String(letter.partition),
      offset: String(letter.offset),
      line: String(letter.line),
      project: letter.project,
      reason: letter.reason,
      message: letter.message,
      time: String(letter.timeMs),
      received_at: String(letter.receivedAtMs),
      payload_bytes: String(letter.payloadBytes),
    },
  };
}

/** The letter of a record. The payload is copied: clients use their buffers again. */
export function decodeDeadLetter({ value, headers = {} }: ConsumedRecord): DecodedDeadLetter {
  const bad = (name: string, what: string) =>
    ({ ok: false, why: `the header ${name} ${what}` }) as const;
  const version = textOf(headers.version);
  if (version !== VERSION) return bad("version", `is ${shown(version)}, not "${VERSION}"`);
  const [texts, numbers]: [Record<string, string>, Record<string, number>] = [{}, {}];
  for (const [name, charsMax] of Object.entries(TEXT_HEADERS)) {
    const text = textOf(headers[name]);
    if (text === null) return bad(name, "is missing or not UTF-8");
    if (text.length > charsMax) return bad(name, `has more than ${charsMax} characters`);
    texts[name] = text;
  }
  if (texts.topic === "") return bad("topic", "is empty");
  if (!REASON.test(texts.reason)) return bad("reason", `is ${shown(texts.reason)}`);
  for (const [name, most] of Object.entries(NUMBER_HEADERS)) {
    const text = textOf(headers[name]);
    const number = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!(number <= most)) return bad(name, `is ${shown(text)}, not a number up to ${most}`);
    numbers[name] = number;
  }
  const { partition, offset, line, time: timeMs, received_at: receivedAtMs } = numbers;
  const { topic, project, reason, message } = texts;
  const payload = value ?? new Uint8Array(0);
  const parts = { topic, partition, offset, line, project, reason, message, timeMs, receivedAtMs };
  return { ok: true, letter: boundedLetter({ ...parts, payload }, numbers.payload_bytes) };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a header; null when it is missing or not UTF-8. */
function textOf(header: HeaderValue): string | null {
  const first = Array.isArray(header) ? header[0] : header;
  if (first === undefined || typeof first === "string") return first ?? null;
  try {
    return decoder.decode(first as Uint8Array);
  } catch {
    return null;
  }
}

function shown(text: string | null): string {
  return text === null ? "missing" : JSON.stringify(text.slice(0, 64));
}
