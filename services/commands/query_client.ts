/**
 * What `rta query` asks of a running platform, by its REST API, as anyone could with curl. An answer
 * of 429 or 503 is waited out and asked for again. A refusal keeps its code and its place.
 */
import { IMPORT_ATTEMPTS_MAX, IMPORT_RETRY_MS_MAX } from "../../lib/config/limits.ts";
import { platformAddress } from "../../lib/import/send_events.ts";
import { waitUnlessAborted } from "../../lib/wait/abortable_wait.ts";

const SECOND_MS = 1_000;
const DETAIL_CHARS_MAX = 500;

/** What is wanted can't be had; the message is meant for the person at the terminal. */
export class QueryError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QueryError";
  }
}

/** One question, as it goes over the wire. */
export interface QueryRequest {
  readonly path: string;
  /** Parameters of the query string. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** A JSON body makes it a POST. */
  readonly body?: Readonly<Record<string, unknown>>;
}

/** A JSON object of an answer. */
export type Json = Readonly<Record<string, unknown>>;

export interface QueryClientOptions {
  /** Address of the gateway's or the analytics port. */
  readonly url: string;
  readonly apiKey?: string;
  readonly signal: AbortSignal;
  /** Told before a request is sent again: why. */
  readonly onRetry: (reason: string) => void;
}

/** Every method throws QueryError, or the signal's reason when that aborts first. */
export class QueryClient {
  readonly #options: QueryClientOptions;
  readonly #address: string;

  /** @throws ImportError when the address is none */
  constructor(options: QueryClientOptions) {
    this.#options = options;
    this.#address = platformAddress(options.url);
  }

  /** The answer, as it came and as it was read. */
  async ask(request: QueryRequest): Promise<Json> {
    const response = await this.open(request, "application/json");
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new QueryError(`${this.#address}${request.path} did not answer in JSON`, { cause });
    }
  }

  /** The answer as CSV, and what its headers say of it, by the names that the JSON has. */
  async askCsv(request: QueryRequest): Promise<{ text: string; quality: Json }> {
    const response = await this.open(request, "text/csv");
    const text = await response.text();
    if (response.headers.get("content-type")?.startsWith("text/csv")) {
      return { text, quality: qualityOf(response.headers) };
    }
    throw new QueryError(`${this.#address}${request.path} did not answer in CSV`);
  }

  /** The response of a question that was taken, its body not yet read. */
  async open(request: QueryRequest, accept: string, headers: Json = {}): Promise<Response> {
    const { signal, onRetry } = this.#options;
    for (let attempt = 1;; attempt++) {
      const response = await this.#fetch(request, { accept, ...headers as Record<string, string> });
      if (response.ok) return response;
      const { status } = response;
      const reason = refusalText(status, await response.text());
      if ((status !== 429 && status !== 503) || attempt === IMPORT_ATTEMPTS_MAX) {
        throw new QueryError(reason);
      }
      onRetry(reason);
      const seconds = Number(response.headers.get("retry-after") ?? 1);
      const waitMs = Math.min((seconds >= 0 ? seconds : 1) * SECOND_MS, IMPORT_RETRY_MS_MAX);
      await waitUnlessAborted(waitMs, signal);
    }
  }

  async #fetch(
    { path, parameters = {}, body }: QueryRequest,
    sent: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const { apiKey, signal, url } = this.#options;
    const headers = new Headers(sent);
    if (apiKey !== undefined) headers.set("x-api-key", apiKey);
    if (body !== undefined) headers.set("content-type", "application/json");
    const query = new URLSearchParams(parameters).toString();
    try {
      return await fetch(`${this.#address}${path}${query === "" ? "" : `?${query}`}`, {
        method: body === undefined ? "GET" : "POST",
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        redirect: "manual",
        signal,
      });
    } catch (cause) {
      signal.throwIfAborted();
      const why = cause instanceof Error ? (cause.cause ?? cause) : cause;
      const message = why instanceof Error ? why.message : String(why);
      throw new QueryError(
        `nothing answers at ${url} (${message}); start the platform with \`make run\`, or give ` +
          "its address with --url",
        { cause },
      );
    }
  }
}

/** What an answer as CSV has in headers; see docs/REST_API.md. */
function qualityOf(headers: Headers): Json {
  const json = (name: string) => JSON.parse(headers.get(name) ?? "null") ?? undefined;
  return {
    complete: headers.get("rta-complete") !== "false",
    complete_until: headers.get("rta-complete-until"),
    missing_partitions: headers.get("rta-missing-partitions")?.split(","),
    accuracy: json("rta-accuracy"),
    notes: json("rta-notes"),
    next_page_token: headers.get("rta-next-page-token"),
    next_sessions_page_token: headers.get("rta-next-sessions-page-token"),
  };
}

/** `invalid_parameter at steps[1].filter: must be …`. */
function refusalText(status: number, text: string): string {
  try {
    const { code, field, detail, message } = JSON.parse(text);
    const place = typeof field === "string" && field !== "" ? ` at ${field}` : "";
    return `${code ?? status}${place}: ${String(detail ?? message).slice(0, DETAIL_CHARS_MAX)}`;
  } catch {
    return `answered ${status}: ${text.slice(0, DETAIL_CHARS_MAX).trim()}`;
  }
}
