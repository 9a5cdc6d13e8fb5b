/**
 * What a body is by its `content-type` header.
 *
 * JSON is also taken without a header and as `application/x-www-form-urlencoded`, which is what
 * `curl -d` says of any body it is given; but not from a web page (`origin` is set then): browsers
 * let a page of any origin send those to a server on this machine without asking it first, while
 * they do ask for `application/json`, and are refused.
 */
import { ProblemError } from "./problem.ts";

/** How a batch is written: one JSON text, or one JSON text a line. */
export type BatchMediaType = "json" | "ndjson";

const JSON_TYPE = /^(?:application\/(?:[a-z0-9.+-]+\+)?json|text\/json)$/;
const NDJSON_TYPE = /^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines)$/;
const LENIENT_TYPES = new Set(["", "application/x-www-form-urlencoded"]);
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)"?/i;
const UTF8_NAMES = new Set(["utf-8", "utf8", "us-ascii"]);

/**
 * The media type of a batch.
 * @throws {ProblemError} unsupported_media_type
 */
export function batchMediaType(headers: Headers): BatchMediaType {
  const header = headers.get("content-type") ?? "";
  if (header === "application/json") return "json";
  if (header === "application/x-ndjson") return "ndjson";
  const charset = CHARSET.exec(header);
  if (charset !== null && !UTF8_NAMES.has(charset[1].toLowerCase())) {
    throw new ProblemError("unsupported_media_type", "send the text encoded as UTF-8");
  }
  const type = header.split(";", 1)[0].trim().toLowerCase();
  if (JSON_TYPE.test(type)) return "json";
  if (NDJSON_TYPE.test(type)) return "ndjson";
  if (LENIENT_TYPES.has(type) && !headers.has("origin")) return "json";
  throw new ProblemError("unsupported_media_type");
}

/**
 * Makes sure that a single document is JSON.
 * @throws {ProblemError} unsupported_media_type
 */
export function requireJson(headers: Headers): void {
  if (batchMediaType(headers) === "json") return;
  throw new ProblemError("unsupported_media_type", "send one application/json document here");
}
