/**
 * The slow path in one place: bytes to a CanonicalEvent or a Rejection, and the event's line.
 *
 * Independent of the scanner on purpose (TextDecoder, JSON.parse, a walk of its own, zod), because
 * it is also the standard that the scanner is tested against.
 */
export { eventFromScan, writeCanonicalLine } from "./canonical_line.ts";
export type { SlowContext, SlowVerdict } from "./slow_verdict.ts";
export { validatePlain } from "./validate_plain.ts";
export { validateV1, validateV1Value } from "./validate_v1.ts";
