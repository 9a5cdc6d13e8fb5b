/**
 * The id that follows a request through answers and logs: the caller's `x-request-id` when it is
 * fit to be echoed and logged, else a new UUID. What is not visible ASCII is not taken, so an id can
 * bring no line break or escape sequence into a header or the log.
 */
import { REQUEST_ID_CHARS_MAX } from "../config/limits.ts";

/** Header that carries the request id, both ways. */
export const REQUEST_ID_HEADER = "x-request-id";

const VISIBLE_FIRST = 0x21;
const VISIBLE_LAST = 0x7e;

/** The id of a request with these headers. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get(REQUEST_ID_HEADER);
  return given !== null && isRequestId(given) ? given : crypto.randomUUID();
}

/** Whether a caller's id is taken: 1 to REQUEST_ID_CHARS_MAX visible ASCII characters. */
export function isRequestId(text: string): boolean {
  if (text.length === 0 || text.length > REQUEST_ID_CHARS_MAX) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < VISIBLE_FIRST || code > VISIBLE_LAST) return false;
  }
  return true;
}
