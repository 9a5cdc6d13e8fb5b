/**
 * Shapes of the dead-letter answers on REST: the contract's members, with int64 as strings, and
 * further ones of ours. The schemas are the source of both the types and the OpenAPI document.
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import { isCut, type KeptDeadLetter } from "../../lib/dead_letter/dead_letter.ts";
import type { LetterPlace } from "../../lib/dead_letter/letter_search.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { LetterList, ReplayVerdict } from "./dead_letters.ts";

const Timestamp = z.iso.datetime().describe("RFC 3339, UTC");
const Int64 = z.string().regex(/^\d+$/).describe("int64 as a decimal string");
const NextPageToken = z.string().describe("For page_token; empty on the last page");

/** One dead letter. */
export const LetterSchema = z.strictObject({
  id: z.string().describe("topic-partition-offset-line"),
  topic: z.string(),
  partition: Int64,
  offset: Int64,
  reason: z.string().describe("A code of the reasons to refuse an event, or poison"),
  message: z.string(),
  time: Timestamp.describe("When it was set aside"),
  payload: z.string().describe("The line as it was, in the form that payload_encoding names"),
  payload_encoding: z.enum(["text", "base64"]).describe("base64 where the bytes are no UTF-8"),
  payload_bytes: z.int().describe("Length of the whole line"),
  payload_truncated: z.boolean().describe("payload is only the beginning of a very long line"),
  line: z.int().describe("Which line of the record at that offset, from 0"),
  received_at: Timestamp.describe("When its record came into the log"),
  state: z.enum(["waiting", "replayed"]),
  replayed_at: Timestamp.optional().describe("Only when it was replayed"),
  event_id: z.string().optional().describe("Id of the event it became"),
}).meta({ id: "DeadLetter" });

/** A page of dead letters. */
export const LetterListSchema = z.strictObject({
  dead_letters: z.array(LetterSchema).describe("Newest first"),
  next_page_token: NextPageToken,
  waiting_by_reason: z.record(z.string(), Int64)
    .describe("All letters that wait, whatever the filter, most first"),
}).meta({ id: "DeadLetters" });

/** What came of a replay. */
export const ReplaySchema = z.strictObject({
  success: z.boolean().describe("Every letter was replayed"),
  replayed_count: z.int(),
  refused_count: z.int(),
  not_found_count: z.int(),
  results: z.array(z.strictObject({
    id: z.string(),
    verdict: z.enum(["replayed", "refused", "not_found"]),
    event_id: z.string().optional(),
    replayed_at: Timestamp.optional(),
    code: z.string().optional(),
    field: z.string().optional(),
    message: z.string().optional(),
  })),
  next_page_token: NextPageToken,
}).meta({ id: "ReplayOutcome" });

/** What came of a drop. */
export const DropSchema = z.strictObject({ dropped_count: z.int() }).meta({ id: "DropOutcome" });

export type LetterJson = z.infer<typeof LetterSchema>;
export type LetterListJson = z.infer<typeof LetterListSchema>;
export type ReplayJson = z.infer<typeof ReplaySchema>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A letter as JSON. */
export function letterJson(letter: KeptDeadLetter): LetterJson {
  const { id, topic, partition, offset, reason, message, line, replayedAtMs, eventId } = letter;
  return {
    id,
    topic,
    partition: String(partition),
    offset: String(offset),
    reason,
    message,
    time: timestampJson(letter.timeMs),
    ...payloadJson(letter.payload),
    payload_bytes: letter.payloadBytes,
    payload_truncated: isCut(letter),
    line,
    received_at: timestampJson(letter.receivedAtMs),
    ...(replayedAtMs === null ? { state: "waiting" } : {
      state: "replayed",
      replayed_at: timestampJson(replayedAtMs),
      event_id: eventId ?? "",
    }),
  };
}

/** A page as JSON. */
export function letterListJson({ letters, next, waitingByReason }: LetterList): LetterListJson {
  const waiting = [...waitingByReason].map(([reason, count]) => [reason, String(count)]);
  return {
    dead_letters: letters.map(letterJson),
    next_page_token: writePageToken(next),
    waiting_by_reason: Object.fromEntries(waiting),
  };
}

/** Verdicts as JSON. */
export function replayJson(
  verdicts: readonly ReplayVerdict[],
  next: LetterPlace | null,
): ReplayJson {
  const count = (kind: ReplayVerdict["verdict"]) =>
    verdicts.filter(({ verdict }) => verdict === kind).length;
  const replayed = count("replayed");
  return {
    success: replayed === verdicts.length,
    replayed_count: replayed,
    refused_count: count("refused"),
    not_found_count: count("not_found"),
    results: verdicts.map((each) => {
      const { id, verdict } = each;
      switch (each.verdict) {
        case "replayed": {
          const replayed_at = timestampJson(each.replayedAtMs);
          return { id, verdict, event_id: each.eventId, replayed_at };
        }
        case "refused":
          return { id, verdict, ...each.rejection };
        case "not_found":
          return { id, verdict };
      }
    }),
    next_page_token: writePageToken(next),
  };
}

/** The place behind a page as an opaque text; "" = there is no further one. */
function writePageToken(place: LetterPlace | null): string {
  return place === null ? "" : `${place.timeMs.toString(36)}-${place.seq.toString(36)}`;
}

/** The place of a token. Throws ProblemError invalid_parameter. */
export function readPageToken(token: string): LetterPlace {
  const match = /^([0-9a-z]{1,10})-([0-9a-z]{1,10})$/.exec(token);
  if (match === null) {
    const detail = "page_token must be the next_page_token of an earlier answer";
    throw new ProblemError("invalid_parameter", detail, { field: "page_token" });
  }
  return { timeMs: parseInt(match[1], 36), seq: parseInt(match[2], 36) };
}

function payloadJson(payload: Uint8Array): Pick<LetterJson, "payload" | "payload_encoding"> {
  try {
    return { payload: decoder.decode(payload), payload_encoding: "text" };
  } catch {
    return { payload: Buffer.from(payload).toString("base64"), payload_encoding: "base64" };
  }
}

/** RFC 3339 in UTC, with a fraction only where there is one. */
function timestampJson(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(".000Z", "Z");
}
