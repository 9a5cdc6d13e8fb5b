/**
 * Sends batches of events by REST: plain ones to `/events/batch` of the ingestion port, typed ones
 * to `/v1/events/batch` of the gateway; both as NDJSON. Reads a verdict for each event.
 */
import { ApiError, clientError } from "./api_error.ts";
import type { EventForm, EventLine, SendBatch } from "./event_queue.ts";
import type { HttpTransport } from "./http_transport.ts";

const NEWLINE = 0x0a;

/** A refused event of a batch. */
interface Refusal {
  readonly index: number;
  readonly code: string;
  readonly field: string;
  readonly message: string;
}

/** Sends by this transport. */
export function batchSender(transport: HttpTransport): SendBatch {
  const { url, ingestUrl, attemptMs } = transport.settings;
  return async (form, lines, signal) => {
    if (form === "plain" && ingestUrl === null) {
      const detail = "plain events go to the ingestion port: give its address";
      throw clientError("invalid_option", { field: "ingestUrl", detail });
    }
    const request = {
      url: form === "plain" ? `${ingestUrl}/events/batch` : `${url}/v1/events/batch`,
      body: { bytes: joinLines(lines), type: "application/x-ndjson" },
      ...{ attemptMs, signal },
    };
    const { answer, requestId, status } = await transport.send(request, async (response) => ({
      answer: JSON.parse(await response.text()),
      requestId: response.headers.get("x-request-id"),
      status: response.status,
    })).catch(verdictsOfRefusal);
    const refusals = refusalsOf(form, answer);
    if (refusals === null) throw clientError("unexpected_answer", { status, requestId });
    const verdicts: (ApiError | null)[] = lines.map(() => null);
    for (const { index, code, field, message } of refusals) {
      const parts = { code, field, detail: message, status, requestId };
      if (index in verdicts) verdicts[index] = new ApiError(parts);
    }
    return verdicts;
  };
}

/** When no event was accepted, the answer is a problem that has the verdicts all the same. */
function verdictsOfRefusal(error: unknown) {
  if (!(error instanceof ApiError) || error.isRetryable) throw error;
  const { answer, requestId, status } = error;
  const hasVerdicts = refusalsOf("plain", answer) ?? refusalsOf("typed", answer);
  if (hasVerdicts === null || hasVerdicts.length === 0) throw error;
  return { answer, requestId, status };
}

/** The refused events of an answer; null when it is none of a batch. */
function refusalsOf(form: EventForm, answer: unknown): Refusal[] | null {
  const listed = answer as { errors?: unknown; validation_errors?: unknown } | null;
  if (form === "plain") return Array.isArray(listed?.errors) ? listed.errors : null;
  if (!Array.isArray(listed?.validation_errors)) return null;
  return listed.validation_errors.map(({ field, message, code }) => {
    const [, index, place] = /^events\[(\d+)\]\.?(.*)$/s.exec(field) ?? [];
    return { index: Number(index ?? NaN), field: place, message, code };
  });
}

function joinLines(lines: readonly EventLine[]): Uint8Array<ArrayBuffer> {
  const length = lines.reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
  const joined = new Uint8Array(length);
  let at = 0;
  for (const { bytes } of lines) {
    joined.set(bytes, at);
    at += bytes.length;
    joined[at++] = NEWLINE;
  }
  return joined;
}
