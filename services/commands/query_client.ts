/**
 * What `rta query` asks of a running platform, by its REST API, as anyone could with curl. An answer
 * of 429 or 503 is waited out and asked for again. A refusal keeps its code and its place.
 */
import { platformAddress } from "../../lib/import/send_events.ts";
import { askPlatform, type PlatformOptions } from "./ask_platform.ts";

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

/** Every method throws QueryError, or the signal's reason when that aborts first. */
export class QueryClient {
  readonly #options: PlatformOptions;
  readonly #address: string;

  /** @throws ImportError when the address is none */
  constructor(options: PlatformOptions) {
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
  open(
    { path, parameters = {}, body }: QueryRequest,
    accept: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const query = new URLSearchParams(parameters).toString();
    return askPlatform(this.#options, {
      address: `${this.#address}${path}${query === "" ? "" : `?${query}`}`,
      headers: { accept, ...headers },
      body,
      Failure: QueryError,
      refusal(status, text) {
        const reason = refusalText(status, text);
        return { retry: reason, end: reason };
      },
    });
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
