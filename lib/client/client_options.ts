/** What a client is made with, and the same with every default filled in. */
import {
  CLIENT_ATTEMPT_MS,
  CLIENT_BATCH_BYTES,
  CLIENT_BATCH_EVENTS,
  CLIENT_BATCH_EVENTS_MAX,
  CLIENT_BATCH_MS,
  CLIENT_CONCURRENCY,
  CLIENT_CONCURRENCY_MAX,
  CLIENT_DEADLINE_MS,
  CLIENT_QUEUE_BYTES,
  CLIENT_QUEUE_EVENTS,
} from "../config/client_limits.ts";
import { type ApiError, clientError } from "./api_error.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { ClientEvent } from "./events.ts";

export interface ClientOptions {
  /** Address of the gateway; http://127.0.0.1:8080 if missing. */
  readonly url?: string;
  /**
   * Address of the ingestion port, which takes plain events. If missing: `url` with the port 8081
   * where that has 8080, else plain events are refused with `invalid_option`.
   */
  readonly ingestUrl?: string;
  /** Sent as `x-api-key`. */
  readonly apiKey?: string;
  /** Sent as `authorization: Bearer`; a function is asked before each attempt. */
  readonly token?: string | (() => string | Promise<string>);
  /** Compress what is sent where the runtime can; true if missing. */
  readonly gzip?: boolean;
  /** Longest time for a request with all its attempts, ms; 60 s if missing. */
  readonly deadlineMs?: number;
  /** Longest time for one attempt that sends events, ms; 15 s if missing. */
  readonly attemptMs?: number;
  /** Events that are tracked and neither stored nor refused; 10,000 if missing. */
  readonly queueEvents?: number;
  /** The same in bytes of JSON; 32 MiB if missing. */
  readonly queueBytes?: number;
  /** Events of one request, 1 to 1,000; 500 if missing. */
  readonly batchEvents?: number;
  /** Bytes of JSON of one request, up to 1 MiB, which it is if missing. */
  readonly batchBytes?: number;
  /** How long an event waits for others to go with, ms; 20 if missing. */
  readonly batchMs?: number;
  /** Requests with events under way, 1 to 16; 1 if missing, which keeps the order of events. */
  readonly concurrency?: number;
  /** Told of every event that was not stored; then nobody needs to look at track()'s promise. */
  readonly onRefused?: (error: unknown, event: ClientEvent) => void;
  /** Told before each further attempt: why, and after how many ms. */
  readonly onRetry?: (error: ApiError, waitMs: number) => void;
  /** In place of the runtime's. */
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
  /** Draws from [0, 1); Math.random if missing. */
  readonly random?: () => number;
}

export interface ClientSettings {
  readonly url: string;
  /** null = plain events can't be sent. */
  readonly ingestUrl: string | null;
  readonly apiKey: string | undefined;
  readonly token: ClientOptions["token"];
  readonly gzip: boolean;
  readonly deadlineMs: number;
  readonly attemptMs: number;
  readonly queueEvents: number;
  readonly queueBytes: number;
  readonly batchEvents: number;
  readonly batchBytes: number;
  readonly batchMs: number;
  readonly concurrency: number;
  readonly onRefused: ClientOptions["onRefused"];
  readonly onRetry: ClientOptions["onRetry"];
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: () => number;
}

const GATEWAY_PORT = "8080";
const INGESTION_PORT = "8081";

/** Fills in what is missing. @throws ApiError `invalid_option` with the option as its field */
export function settingsOf(options: ClientOptions): ClientSettings {
  const { apiKey, token, onRefused, onRetry } = options;
  const url = addressOf("url", options.url ?? `http://127.0.0.1:${GATEWAY_PORT}`);
  const ingestUrl = options.ingestUrl === undefined
    ? besideGateway(url)
    : addressOf("ingestUrl", options.ingestUrl);
  const within = (name: keyof ClientOptions, preset: number, max: number, min = 1) =>
    numberWithin(name, options[name] as number | undefined, { preset, max, min });
  const longest = 2 ** 31 - 1;
  return {
    ...{ url, ingestUrl, apiKey, token, onRefused, onRetry },
    gzip: options.gzip ?? true,
    deadlineMs: within("deadlineMs", CLIENT_DEADLINE_MS, longest),
    attemptMs: within("attemptMs", CLIENT_ATTEMPT_MS, longest),
    queueEvents: within("queueEvents", CLIENT_QUEUE_EVENTS, longest),
    queueBytes: within("queueBytes", CLIENT_QUEUE_BYTES, longest),
    batchEvents: within("batchEvents", CLIENT_BATCH_EVENTS, CLIENT_BATCH_EVENTS_MAX),
    batchBytes: within("batchBytes", CLIENT_BATCH_BYTES, CLIENT_BATCH_BYTES),
    batchMs: within("batchMs", CLIENT_BATCH_MS, longest, 0),
    concurrency: within("concurrency", CLIENT_CONCURRENCY, CLIENT_CONCURRENCY_MAX),
    // Browsers want to be called as a function of their own window.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

/** An option that is a whole number of a range. @throws ApiError `invalid_option` */
export function numberWithin(
  field: string,
  value: number | undefined,
  { preset, min, max }: { preset: number; min: number; max: number },
): number {
  if (value === undefined) return preset;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw clientError("invalid_option", {
    field,
    detail: `${field} must be a whole number from ${min} to ${max}, not ${value}`,
  });
}

function addressOf(field: string, text: string): string {
  const parsed = URL.canParse(text) ? new URL(text) : null;
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") {
    return `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`;
  }
  const detail = `${text} is not an address such as http://127.0.0.1:${GATEWAY_PORT}`;
  throw clientError("invalid_option", { field, detail });
}

function besideGateway(url: string): string | null {
  const parsed = new URL(url);
  if (parsed.port !== GATEWAY_PORT) return null;
  parsed.port = INGESTION_PORT;
  return parsed.href.replace(/\/+$/, "");
}
