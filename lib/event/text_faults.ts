/**
 * Faults of JSON text that JSON.parse lets through: keys that come twice, `__proto__`, U+0000,
 * halves of surrogate pairs, numbers beyond a double.
 *
 * JSON.parse keeps the last of two equal keys, other readers the first (RFC 8259, section 4), so
 * such text means different things to different readers of the log; the others of the list break
 * stores and languages that the log's readers use. A separate walk over the text, which shares
 * nothing with the scanner that it is tested against.
 */
import type { EventReasonCode } from "./reasons.ts";

/** What is wrong, and where: a path of object keys joined by dots. */
export interface TextFault {
  readonly code: EventReasonCode;
  readonly field: string;
}

/** An object or array whose end has not come yet. */
interface Open {
  /** Keys so far; null = an array. */
  readonly keys: Set<string> | null;
  /** Path of the object or array itself. */
  readonly path: string;
  /** Path of the member being read; that of the array itself in an array. */
  member: string;
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** The first fault in `text`, which must be valid JSON; null = none. Iterative. */
export function findTextFault(text: string): TextFault | null {
  const opened: Open[] = [{ keys: null, path: "", member: "" }];
  let here = opened[0];
  let keyComes = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = closingQuote(text, at);
      const value: string = JSON.parse(text.slice(at, end + 1));
      const code = keyComes ? keyFault(here, value) : stringFault(value);
      if (code !== null) return { code, field: here.member };
      keyComes = false;
      at = end;
    } else if (char === "-" || (char >= "0" && char <= "9")) {
      NUMBER.lastIndex = at;
      const literal = NUMBER.exec(text)![0];
      if (!Number.isFinite(Number(literal))) {
        return { code: "number_out_of_range", field: here.member };
      }
      at += literal.length - 1;
    } else if (char === "{" || char === "[") {
      keyComes = char === "{";
      here = { keys: keyComes ? new Set() : null, path: here.member, member: here.member };
      opened.push(here);
    } else if (char === "}" || char === "]") {
      opened.pop();
      here = opened.at(-1)!;
      keyComes = false;
    } else if (char === ",") {
      keyComes = here.keys !== null;
    }
  }
  return null;
}

/** Index of the quote that closes the string opened at `at`: the next one not escaped. */
function closingQuote(text: string, at: number): number {
  for (at++; text[at] !== '"'; at++) {
    if (text[at] === "\\") at++;
  }
  return at;
}

/** Makes `key` the member being read. */
function keyFault(object: Open, key: string): EventReasonCode | null {
  object.member = object.path === "" ? key : `${object.path}.${key}`;
  if (key === "__proto__") return "forbidden_key";
  if (object.keys!.has(key)) return "duplicate_key";
  object.keys!.add(key);
  return stringFault(key);
}

function stringFault(value: string): EventReasonCode | null {
  if (value.includes("\0")) return "nul_character";
  return value.isWellFormed() ? null : "lone_surrogate";
}
