/**
 * Reading the file of `rta dlq replay --edit`: letters whose payloads were mended. It may be what
 * `rta dlq list --json` or `show --json` wrote, or an answer of the REST API: one letter or a list,
 * as one JSON text or one a line.
 */
import { DlqError } from "./dlq_client.ts";

/** A letter to be replayed with this payload. */
export interface EditedLetter {
  readonly id: string;
  readonly payload: string;
  /** "base64" where the payload is no text. */
  readonly payload_encoding?: string;
}

/** Members of an object that may hold the list. */
const LIST_MEMBERS = ["dead_letters", "letters"];

/** The letters of a file's text. Throws DlqError that says what is wrong. */
export function readEdits(text: string, file: string): EditedLetter[] {
  const letters = documentsOf(text, file).flatMap(lettersOf);
  if (letters.length === 0) throw new DlqError(`${file} holds no letters`);
  return letters.map((letter, index) => {
    const { id, payload, payload_encoding } = letter as Partial<EditedLetter>;
    if (typeof id !== "string" || typeof payload !== "string") {
      const message = `letter ${index + 1} of ${file} needs an id and a payload, both texts`;
      throw new DlqError(message);
    }
    return payload_encoding === undefined ? { id, payload } : { id, payload, payload_encoding };
  });
}

/** The text as one JSON document, or else as one a line. */
function documentsOf(text: string, file: string): unknown[] {
  const whole = parsed(text);
  if (whole !== undefined) return [whole];
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const value = parsed(line);
    if (value === undefined) throw new DlqError(`line ${index + 1} of ${file} is not JSON`);
    return [value];
  });
}

function lettersOf(value: unknown): object[] {
  if (Array.isArray(value)) return value.flatMap(lettersOf);
  if (typeof value !== "object" || value === null) return [];
  const list = LIST_MEMBERS.map((name) => Reflect.get(value, name)).find(Array.isArray);
  return list === undefined ? [value] : list.flatMap(lettersOf);
}

/** The value of a JSON text; undefined when it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
