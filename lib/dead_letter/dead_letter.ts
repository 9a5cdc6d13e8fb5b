/**
 * A dead letter: a line of the log that can't become an event, set aside with all that is needed to
 * understand, mend and replay it: its bytes as they were, where they stood, and why.
 *
 * The id names the place, `<topic>-<partition>-<offset>-<line>`, so that the same line set aside
 * again, after a crash or by another owner of the partition, is the same letter. The last three
 * parts are numbers, so an id is read back unambiguously whatever the topic is called.
 */
import { DEAD_LETTER_MESSAGE_CHARS_MAX, DEAD_LETTER_PAYLOAD_BYTES_MAX } from "../config/limits.ts";
import { EVENT_REASONS, type EventReasonCode } from "../event/reasons.ts";

/** The reason of a line that is a valid event and yet failed its shard again and again. */
export const POISON = "poison";

/** Why a line was set aside. */
export type DeadLetterReason = EventReasonCode | typeof POISON;

/** Every reason; one closed list, also the label of a metric. */
export const DEAD_LETTER_REASONS: readonly DeadLetterReason[] = [
  ...Object.keys(EVENT_REASONS) as EventReasonCode[],
  POISON,
];

/** Where a line stands in the log. */
export interface LetterOrigin {
  readonly topic: string;
  readonly partition: number;
  /** Of the record that holds the line. */
  readonly offset: number;
  /** Which line of that record, from 0; always 0 where every line has an offset of its own. */
  readonly line: number;
}

/** A line that was set aside. */
export interface DeadLetter extends LetterOrigin {
  readonly id: string;
  readonly project: string;
  /** A DeadLetterReason, or one of a later version of this program. */
  readonly reason: string;
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** When it was set aside, ms since the epoch. */
  readonly timeMs: number;
  /** When its record came into the log, ms since the epoch: the time of an event that has none. */
  readonly receivedAtMs: number;
  /** The line without its newline, as it was: perhaps no UTF-8, perhaps nothing. */
  readonly payload: Uint8Array;
  /** Length of the whole line, bytes; more than `payload` holds when that had to be cut. */
  readonly payloadBytes: number;
}

/** A letter as it is kept. */
export interface KeptDeadLetter extends DeadLetter {
  /** When its event was accepted after all, ms since the epoch; null = it waits. */
  readonly replayedAtMs: number | null;
  /** The id of that event; null = it waits. */
  readonly eventId: string | null;
}

/** The id of a letter. */
export function deadLetterId({ topic, partition, offset, line }: LetterOrigin): string {
  return `${topic}-${partition}-${offset}-${line}`;
}

const ID = /^([^]+)-(0|[1-9]\d*)-(0|[1-9]\d*)-(0|[1-9]\d*)$/;

/** Where the letter of this id came from; null when it is the id of no letter. */
export function parseDeadLetterId(id: string): LetterOrigin | null {
  const match = ID.exec(id);
  if (match === null) return null;
  const [partition, offset, line] = match.slice(2).map(Number);
  if (![partition, offset, line].every(Number.isSafeInteger)) return null;
  return { topic: match[1], partition, offset, line };
}

/** Latest time that RFC 3339 can write, 9999-12-31T23:59:59.999Z, ms since the epoch. */
export const LETTER_TIME_MS_MAX = 253_402_300_799_999;

/** What a letter is made of. */
export type LetterParts = Omit<DeadLetter, "id" | "payloadBytes">;

/**
 * Makes a letter for a shard to put. The payload is copied, since records of the log give their
 * memory back; one of more than DEAD_LETTER_PAYLOAD_BYTES_MAX is cut, and so is a long message. A
 * `receivedAtMs` that is no time, as records of other producers may have, becomes `timeMs`.
 */
export function makeDeadLetter(
  parts: LetterParts & { readonly reason: DeadLetterReason },
): DeadLetter {
  return boundedLetter(parts, parts.payload.length);
}

/** The same for any reason, and for a payload that is all that is left of `lineBytes` bytes. */
export function boundedLetter(parts: LetterParts, lineBytes: number): DeadLetter {
  const { topic, partition, offset, line, project, reason, timeMs, payload } = parts;
  const receivedAtMs = Math.floor(parts.receivedAtMs);
  return {
    id: deadLetterId(parts),
    topic,
    partition,
    offset,
    line,
    project,
    reason,
    message: cutText(parts.message, DEAD_LETTER_MESSAGE_CHARS_MAX),
    timeMs,
    receivedAtMs: receivedAtMs > 0 && receivedAtMs <= LETTER_TIME_MS_MAX ? receivedAtMs : timeMs,
    // Not slice(), which does not copy where the bytes are a Buffer.
    payload: new Uint8Array(payload.subarray(0, cutEnd(payload, DEAD_LETTER_PAYLOAD_BYTES_MAX))),
    payloadBytes: Math.max(lineBytes, payload.length),
  };
}

/** Whether the payload is only the beginning of the line. */
export function isCut({ payload, payloadBytes }: DeadLetter): boolean {
  return payload.length < payloadBytes;
}

/** Where to cut bytes so that a UTF-8 character is not cut in two. */
function cutEnd(bytes: Uint8Array, bytesMax: number): number {
  if (bytes.length <= bytesMax) return bytes.length;
  // A character has at most three continuation bytes (10xxxxxx).
  for (let end = bytesMax; end > bytesMax - 4; end--) {
    if ((bytes[end] & 0xc0) !== 0x80) return end;
  }
  return bytesMax;
}

function cutText(text: string, charsMax: number): string {
  const whole = text.toWellFormed();
  return whole.length <= charsMax ? whole : `${whole.slice(0, charsMax - 1).toWellFormed()}…`;
}
