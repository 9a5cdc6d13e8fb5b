/**
 * Requests of the client library over fetch: credentials, request ids, deadlines, retries, gzip, and
 * errors as ApiError. Nothing of it needs more than the web's own interfaces.
 */
import { CLIENT_GZIP_BYTES_MIN } from "../config/client_limits.ts";
import { clientError, errorOfAnswer } from "./api_error.ts";
import type { ClientSettings } from "./client_options.ts";
import { withRetries } from "./retry.ts";
import { uuidV7 } from "./uuid_v7.ts";

/** What a caller may say of any request. */
export interface CallOptions {
  /** Ends the call at once: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Longest time for all attempts, ms; the client's deadlineMs if missing. */
  readonly deadlineMs?: number;
}

export interface HttpRequest extends CallOptions {
  /** Begins with the address of a role. */
  readonly url: string;
  /** Parameters of the query string. */
  readonly query?: URLSearchParams;
  readonly body?: { readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest time for one attempt, ms; what is left of the deadline if missing. */
  readonly attemptMs?: number;
}

/** What is read of an answer of success, within the attempt. */
export type ReadAnswer<T> = (response: Response) => Promise<T>;

/** An answer whose body is read after the attempt: whoever reads it ends it. */
export interface OpenAnswer {
  readonly response: Response;
  /** Ends the connection. */
  close(): void;
}

export class HttpTransport {
  readonly settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.settings = settings;
  }

  /** Sends until it is answered. Throws ApiError, or the signal's reason. */
  async send<T>(request: HttpRequest, read: ReadAnswer<T>): Promise<T> {
    const { deadlineMs = this.settings.deadlineMs, signal } = request;
    const id = uuidV7(this.settings.clock.now());
    const body = await this.#packed(request.body);
    return await withRetries(this.settings, { deadlineMs, signal }, async (leftMs) => {
      const attempt = new Attempt(this.settings, signal);
      attempt.endAfter(Math.min(leftMs, request.attemptMs ?? leftMs));
      try {
        return await read(await this.#fetch(request, id, body, attempt));
      } catch (error) {
        throw attempt.failureOf(error, id);
      } finally {
        attempt.end();
      }
    });
  }

  /** The JSON of an answer. Throws as send(). */
  json<T>(request: HttpRequest): Promise<T> {
    return this.send(request, async (response) => {
      const text = await response.text();
      try {
        return JSON.parse(text) as T;
      } catch (cause) {
        const requestId = response.headers.get("x-request-id");
        throw clientError("unexpected_answer", { status: response.status, requestId, cause });
      }
    });
  }

  /** Opens an answer that goes on. The deadline is that of its headers. Throws as send(). */
  async open(request: HttpRequest): Promise<OpenAnswer> {
    const { deadlineMs = this.settings.deadlineMs, signal } = request;
    const id = uuidV7(this.settings.clock.now());
    const body = await this.#packed(request.body);
    return await withRetries(this.settings, { deadlineMs, signal }, async (leftMs) => {
      const attempt = new Attempt(this.settings, signal);
      const takeBack = attempt.endAfter(leftMs);
      try {
        const response = await this.#fetch(request, id, body, attempt);
        takeBack();
        return { response, close: () => attempt.close() };
      } catch (error) {
        attempt.end();
        throw attempt.failureOf(error, id);
      }
    });
  }

  async #fetch(
    request: HttpRequest,
    requestId: string,
    body: PackedBody | null,
    attempt: Attempt,
  ): Promise<Response> {
    const { url, query, headers } = request;
    const { clock, token, apiKey, fetch } = this.settings;
    const bearer = typeof token === "function" ? await token() : token;
    const asked = query === undefined || query.size === 0 ? "" : `?${query}`;
    const response = await fetch(`${url}${asked}`, {
      method: body === null ? "GET" : "POST",
      headers: {
        "accept": "application/json",
        "x-request-id": requestId,
        ...(apiKey === undefined ? {} : { "x-api-key": apiKey }),
        ...(bearer === undefined ? {} : { "authorization": `Bearer ${bearer}` }),
        ...body?.headers,
        ...headers,
      },
      body: body?.bytes,
      redirect: "error",
      signal: attempt.signal,
    });
    if (response.ok) return response;
    throw errorOfAnswer(response, await response.text(), clock.now());
  }

  async #packed(body: HttpRequest["body"]): Promise<PackedBody | null> {
    if (body === undefined) return null;
    const headers = { "content-type": body.type };
    const isPacked = this.settings.gzip && body.bytes.length >= CLIENT_GZIP_BYTES_MIN &&
      typeof CompressionStream === "function";
    if (!isPacked) return { bytes: body.bytes, headers };
    const packed = new Blob([body.bytes]).stream().pipeThrough(new CompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
    return { bytes, headers: { ...headers, "content-encoding": "gzip" } };
  }
}

interface PackedBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** One attempt: ends with the caller's signal, and by its time. */
class Attempt {
  readonly #controller = new AbortController();
  readonly #settings: ClientSettings;
  readonly #caller: AbortSignal | undefined;
  readonly #abort = () => this.#controller.abort(this.#caller?.reason);
  #takeBack: () => void = () => {};
  #isLate = false;

  constructor(settings: ClientSettings, caller: AbortSignal | undefined) {
    this.#settings = settings;
    this.#caller = caller;
    if (caller?.aborted) this.#abort();
    caller?.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives what takes it back. */
  endAfter(ms: number): () => void {
    this.#takeBack = this.#settings.clock.after(Math.max(0, ms), () => {
      this.#isLate = true;
      this.#controller.abort();
    });
    return this.#takeBack;
  }

  end(): void {
    this.#takeBack();
    this.#caller?.removeEventListener("abort", this.#abort);
  }

  close(): void {
    this.end();
    this.#controller.abort();
  }

  /** What came of the attempt, as the caller is told: ApiErrors and aborts as they are. */
  failureOf(error: unknown, requestId: string): unknown {
    if (this.#caller?.aborted) return this.#caller.reason;
    const parts = { requestId, mayBeStored: true, isRetryable: true, cause: error };
    if (this.#isLate) return clientError("no_answer", parts);
    // fetch tells of the network by TypeError, and of a body that broke off in other ways as well.
    if (!(error instanceof Error) || error.name === "ApiError") return error;
    return clientError("network", { ...parts, detail: networkDetail(error) });
  }
}

function networkDetail(error: Error): string {
  // fetch's own message is "fetch failed"; what failed stands in the cause.
  const said = error.cause instanceof Error ? error.cause.message || error.message : error.message;
  return `the platform can't be reached, or its answer broke off: ${said}`;
}
