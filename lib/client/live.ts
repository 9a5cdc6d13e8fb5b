/**
 * Live streams over server-sent events (WHATWG HTML, 9.2) as async iterators. A stream that breaks
 * off, or that the platform ends, is opened again where it was (Last-Event-ID), so that no window is
 * given twice; what was missed meanwhile is told.
 */
import { CLIENT_LIVE_ATTEMPTS_MAX } from "../config/client_limits.ts";
import type { StoredEvent } from "./answers.ts";
import { ApiError, clientError } from "./api_error.ts";
import { waitFor } from "./clock.ts";
import type { CallOptions, HttpTransport } from "./http_transport.ts";
import { type LiveEventsQuestion, type LiveQuestion, queryOf } from "./questions.ts";
import { retryWaitMs } from "./retry.ts";
import { linesOf } from "./text_lines.ts";

/** What was counted in a window that ends now. */
export interface LiveWindow {
  readonly metrics: readonly {
    readonly name: string;
    readonly value: number;
    readonly unit: string;
    readonly timestamp: string;
    readonly labels: Readonly<Record<string, string>>;
  }[];
  readonly timestamp: string;
  readonly window_id: string;
  readonly window_seconds: number;
  readonly window_start: string;
  readonly users_since: string;
  readonly complete_until: string;
  readonly complete: boolean;
  readonly missing_partitions: readonly number[];
  readonly behind_partitions: readonly number[];
  readonly gaps: readonly unknown[];
  readonly known_since: string;
  readonly accuracy: Readonly<Record<string, string>>;
  readonly top?: {
    readonly property: string;
    readonly since: string;
    readonly events: number;
    readonly other_events: number;
    readonly events_without: number;
    readonly error_max: number;
    readonly values_cut: number;
  };
}

/** What the platform could not give: windows or events after the given one. */
export interface Missed {
  /** How many; null = nobody knows. */
  readonly missed: number | null;
  readonly after: string | null;
}

/** Of one second of events: how many were in the sample, and dropped as more than was asked for. */
export interface LiveSecond {
  readonly timestamp: string;
  readonly sampled: number;
  readonly dropped: number;
}

/** A message of live(). */
export type LiveMessage =
  | { readonly event: "window"; readonly id: string; readonly data: LiveWindow }
  | { readonly event: "missed"; readonly data: Missed };

/** A message of liveEvents(). */
export type LiveEventMessage =
  | { readonly event: "event"; readonly id: string; readonly data: StoredEvent }
  | { readonly event: "second"; readonly data: LiveSecond }
  | { readonly event: "missed"; readonly data: Missed };

/** What live streams take beside their question. */
export interface LiveOptions extends CallOptions {
  /** Goes on after this window or event. */
  readonly lastEventId?: string;
}

/** Windows, one a second. Throws ApiError when it is refused or can't be opened again. */
export function liveWindows(
  transport: HttpTransport,
  question: LiveQuestion,
  options: LiveOptions,
): AsyncGenerator<LiveMessage, void, undefined> {
  return follow(transport, "/v1/live", question, options);
}

/** Events as they arrive. Throws as liveWindows(). */
export function liveEvents(
  transport: HttpTransport,
  question: LiveEventsQuestion,
  options: LiveOptions,
): AsyncGenerator<LiveEventMessage, void, undefined> {
  return follow(transport, "/v1/live/events", question, options);
}

interface Message {
  readonly event: string;
  readonly id: string | null;
  // deno-lint-ignore no-explicit-any -- what the platform's routes say it is
  readonly data: any;
}

async function* follow<T>(
  transport: HttpTransport,
  path: string,
  question: object,
  { signal, deadlineMs, lastEventId }: LiveOptions,
): AsyncGenerator<T, void, undefined> {
  const { url, clock, random, onRetry } = transport.settings;
  let lastId = lastEventId ?? null;
  for (let broken = 1;; broken++) {
    let why: ApiError;
    try {
      const headers = {
        accept: "text/event-stream",
        ...(lastId === null ? {} : { "last-event-id": lastId }),
      };
      const request = { url: `${url}${path}`, query: queryOf(question), headers };
      const answer = await transport.open({ ...request, signal, deadlineMs });
      try {
        why = clientError("network", { detail: "the stream broke off", isRetryable: true });
        for await (const message of messagesOf(answer.response, signal)) {
          lastId = message.id ?? lastId;
          if (message.event === "end") {
            const { code, message: detail } = message.data;
            why = new ApiError({ code, detail, isRetryable: true });
            break;
          }
          broken = 0;
          yield message as T;
        }
      } finally {
        answer.close();
      }
    } catch (error) {
      if (!(error instanceof ApiError) || !error.isRetryable) throw error;
      why = error;
    }
    why.attempts = broken;
    if (broken >= CLIENT_LIVE_ATTEMPTS_MAX) throw why;
    const waitMs = retryWaitMs(Math.max(1, broken), why.retryAfterMs, random);
    onRetry?.(why, waitMs);
    await waitFor(clock, waitMs, signal);
  }
}

/** The messages of an event stream. Throws as linesOf(). */
export async function* messagesOf(
  response: Response,
  signal?: AbortSignal,
): AsyncGenerator<Message, void, undefined> {
  let event = "message";
  let id: string | null = null;
  let data: string[] = [];
  for await (const line of linesOf(response, signal)) {
    if (line === "") {
      if (data.length > 0) yield { event, id, data: parsed(data.join("\n")) };
      [event, id, data] = ["message", null, []];
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "id") id = value;
    else if (name === "data") data.push(value);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw clientError("unexpected_answer", { detail: "the stream holds what is no JSON", cause });
  }
}
