/**
 * W3C Trace Context (www.w3.org/TR/trace-context): the header that says which trace a request is of.
 *
 *     traceparent: 00-<trace id, 32 hex>-<parent span id, 16 hex>-<flags, 2 hex>
 *
 * What is not well formed is as good as none, as the recommendation has it: it is not passed on, and
 * the request is answered all the same. Of a later version the known part is taken, as version 00.
 */

/** Header of HTTP, key of gRPC metadata and header of Kafka records. */
export const TRACEPARENT_HEADER = "traceparent";

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);
const TRACE_ID_START = 3;
const TRACE_ID_END = 35;

/** The header's value, fit to be passed on; null = there is none, or it is not well formed. */
export function traceparentOf(text: string | null): string | null {
  // Nearly every request has none.
  if (text === null) return null;
  const match = FORM.exec(text);
  if (match === null) return null;
  const [, version, traceId, spanId, flags, more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return null;
  return `00-${traceId}-${spanId}-${flags}`;
}

/** The trace id in a value that traceparentOf() gave. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(TRACE_ID_START, TRACE_ID_END);
}
