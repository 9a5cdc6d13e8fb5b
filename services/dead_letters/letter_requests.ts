/**
 * What a request asks for, read strictly from a query string or a JSON body: an unknown name or a
 * value that can't be read is refused with `invalid_parameter` and the name, because dropping or
 * replaying other letters than the ones meant is worse than nothing. Both forms have the same names,
 * in proto or lowerCamel spelling; numbers and times may be texts in either.
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import {
  DEAD_LETTERS_PAGE_DEFAULT,
  DEAD_LETTERS_PAGE_MAX,
  ECHO_CHARS_MAX,
} from "../../lib/config/limits.ts";
import { DEAD_LETTER_REASONS } from "../../lib/dead_letter/dead_letter.ts";
import type { DeadLetterFilter } from "../../lib/dead_letter/letter_search.ts";
import { encodeUtf8 } from "../../lib/event/text_coding.ts";
import {
  invalidParameter,
  isPlainObject,
  jsonOf,
  placeOf,
  protoName,
  time,
  wholeNumber,
} from "../../lib/http/json_body.ts";
import type { LetterSelection, LetterToReplay } from "./dead_letters.ts";
import { readPageToken } from "./letter_json.ts";

/** Letters by name, perhaps edited, or by filter. */
export type ReplayRequest =
  | { readonly letters: readonly LetterToReplay[] }
  | { readonly selection: LetterSelection };

/** Letters by name or by filter. */
export type DropRequest =
  | { readonly ids: readonly string[] }
  | { readonly filter: DeadLetterFilter };

const text = z.string("must be a text");
const filterShape = {
  reason: z.enum(DEAD_LETTER_REASONS, `must be one of ${DEAD_LETTER_REASONS.join(", ")}`)
    .optional(),
  topic: text.optional(),
  partition: wholeNumber(0, 0x7fff_ffff).optional(),
  from: time.optional(),
  to: time.optional(),
  q: text.optional(),
  state: z.enum(["waiting", "replayed", "all"], "must be waiting, replayed or all").optional(),
};
const pageShape = {
  limit: wholeNumber(1, DEAD_LETTERS_PAGE_MAX).optional(),
  page_token: text.optional(),
};

const idList = z.array(text, "must be a list of ids")
  .min(1, "must name a letter")
  .max(DEAD_LETTERS_PAGE_MAX, `must not name more than ${DEAD_LETTERS_PAGE_MAX} letters`);
const filter = z.strictObject(filterShape, "must be an object");
// What else a listed letter has is ignored, so that it can be sent back as it was listed.
const editedLetter = z.object({
  id: text,
  payload: text,
  payload_encoding: z.enum(["text", "base64"], "must be text or base64").optional(),
}, "must have an id and a payload");
const editedList = z.array(editedLetter, "must be a list of letters")
  .min(1, "must hold a letter")
  .max(DEAD_LETTERS_PAGE_MAX, `must not hold more than ${DEAD_LETTERS_PAGE_MAX} letters`);

const listQuery = z.strictObject({ ...filterShape, ...pageShape });
const replayBody = z.strictObject({
  ids: idList.optional(),
  letters: editedList.optional(),
  filter: filter.optional(),
  ...pageShape,
});
const dropBody = z.strictObject({ ids: idList.optional(), filter: filter.optional() });

/** Which letters a query string means. Throws ProblemError invalid_parameter. */
export function readListQuery(search: URLSearchParams): LetterSelection {
  const given: Record<string, string> = {};
  for (const [name, value] of search) {
    const known = protoName(name);
    if (Object.hasOwn(given, known)) throw invalidParameter(known, `${known} must be given once`);
    // As in proto JSON, an empty value means that the parameter is missing.
    if (value !== "" || !Object.hasOwn(listQuery.shape, known)) given[known] = value;
  }
  return selectionOf(checked(listQuery, given), DEAD_LETTERS_PAGE_DEFAULT);
}

/** What a body asks to be replayed. Throws ProblemError. */
export function readReplayBody(bytes: Uint8Array): ReplayRequest {
  const body = checked(replayBody, parsedBody(bytes));
  requireOneOf(body, ["ids", "letters", "filter"]);
  if (body.filter === undefined) {
    for (const name of ["limit", "page_token"] as const) {
      if (body[name] !== undefined) throw invalidParameter(name, `${name} goes with filter only`);
    }
  } else if ((body.filter.state ?? "waiting") !== "waiting") {
    throw invalidParameter("filter.state", "letters that were replayed are not replayed again");
  }
  if (body.ids !== undefined) {
    return { letters: [...new Set(body.ids)].map((id) => ({ id, payload: null })) };
  }
  if (body.letters !== undefined) return { letters: editedLetters(body.letters) };
  return { selection: selectionOf({ ...body, ...body.filter }, DEAD_LETTERS_PAGE_MAX) };
}

/** What a body asks to be dropped. Throws ProblemError. */
export function readDropBody(bytes: Uint8Array): DropRequest {
  const body = checked(dropBody, parsedBody(bytes));
  requireOneOf(body, ["ids", "filter"]);
  return body.ids === undefined ? { filter: filterOf(body.filter!) } : { ids: body.ids };
}

function editedLetters(letters: readonly z.infer<typeof editedLetter>[]): LetterToReplay[] {
  const seen = new Set<string>();
  return letters.map(({ id, payload, payload_encoding }, index) => {
    if (seen.has(id)) {
      throw invalidParameter(`letters[${index}].id`, `the letter ${id} is there twice`);
    }
    seen.add(id);
    if (payload_encoding !== "base64") return { id, payload: encodeUtf8(payload) };
    const bytes = Buffer.from(payload, "base64");
    // Buffer passes over what is no base64; the text has to come back as it was.
    if (bytes.toString("base64") !== payload) {
      throw invalidParameter(`letters[${index}].payload`, `the payload of ${id} is not base64`);
    }
    return { id, payload: new Uint8Array(bytes) };
  });
}

type FilterRequest = z.infer<typeof filter>;

function selectionOf(
  request: FilterRequest & { limit?: number; page_token?: string },
  limitPreset: number,
): LetterSelection {
  const { limit = limitPreset, page_token: token = "" } = request;
  return { filter: filterOf(request), limit, after: token === "" ? null : readPageToken(token) };
}

function filterOf(request: FilterRequest): DeadLetterFilter {
  const { reason, topic, partition, from: fromMs, to: toMs, q: text, state = "waiting" } = request;
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs) {
    throw invalidParameter("from", "from must not be after to");
  }
  const filter = { reason, topic, partition, fromMs, toMs, text };
  return state === "all" ? filter : { ...filter, state };
}

/** The value by the schema. Throws ProblemError that names the first thing that is wrong. */
function checked<T>(schema: z.ZodType<T> & { shape: object }, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = placeOf(issue.path);
  if (issue.code !== "unrecognized_keys") {
    const detail = path === "" ? "the body must be a JSON object" : `${path} ${issue.message}`;
    throw invalidParameter(path, detail);
  }
  const field = [path, issue.keys[0].slice(0, ECHO_CHARS_MAX)].filter((part) => part !== "");
  const names = Object.keys(path === "filter" ? filterShape : schema.shape).join(", ");
  throw invalidParameter(field.join("."), `unknown parameter; this takes ${names}`);
}

function requireOneOf(body: object, names: readonly string[]): void {
  const given = names.filter((name) => Reflect.get(body, name) !== undefined);
  if (given.length === 1) return;
  throw invalidParameter(given[1] ?? names[0], `give one of ${names.join(", ")}`);
}

/** The body's JSON value, with its names in proto spelling. Throws ProblemError. */
function parsedBody(bytes: Uint8Array): unknown {
  return jsonOf(bytes, (_key, value) => isPlainObject(value) ? protoNames(value) : value);
}

function protoNames(value: Record<string, unknown>): Record<string, unknown> {
  // null is a missing member, as in proto JSON.
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([name, member]) => [protoName(name), member]));
}
