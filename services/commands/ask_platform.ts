/**
 * One request of a command to a running platform, by its REST API, as anyone could with curl. An
 * answer of 429 or 503 is waited out and asked for again.
 */
import { IMPORT_ATTEMPTS_MAX, IMPORT_RETRY_MS_MAX } from "../../lib/config/limits.ts";
import { waitUnlessAborted } from "../../lib/wait/abortable_wait.ts";

const SECOND_MS = 1_000;

/** Whom a command asks, and how. */
export interface PlatformOptions {
  /** Address of the gateway's or the analytics port. */
  readonly url: string;
  readonly apiKey?: string;
  readonly signal: AbortSignal;
  /** Told before a request is sent again: why. */
  readonly onRetry: (reason: string) => void;
}

/** What is asked; it does no harm when it arrives twice. */
export interface PlatformRequest {
  /** The whole address. */
  readonly address: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON body makes it a POST. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** The command's error, whose message is meant for the person at the terminal. */
  readonly Failure: new (message: string, options?: ErrorOptions) => Error;
  /** A refusal in words: why it is asked again, and what the command ends with. */
  readonly refusal: (
    status: number,
    text: string,
  ) => { readonly retry: string; readonly end: string };
}

/**
 * The response of a request that was taken, its body not yet read.
 *
 * @throws Failure when it was refused or nothing answers; the signal's reason when that aborts first
 */
export async function askPlatform(
  options: PlatformOptions,
  request: PlatformRequest,
): Promise<Response> {
  for (let attempt = 1;; attempt++) {
    const response = await fetchOnce(options, request);
    if (response.ok) return response;
    const { status } = response;
    const { retry, end } = request.refusal(status, await response.text());
    if ((status !== 429 && status !== 503) || attempt === IMPORT_ATTEMPTS_MAX) {
      throw new request.Failure(end);
    }
    options.onRetry(retry);
    const seconds = Number(response.headers.get("retry-after") ?? 1);
    const waitMs = Math.min((seconds >= 0 ? seconds : 1) * SECOND_MS, IMPORT_RETRY_MS_MAX);
    await waitUnlessAborted(waitMs, options.signal);
  }
}

async function fetchOnce(options: PlatformOptions, request: PlatformRequest): Promise<Response> {
  const { apiKey, signal, url } = options;
  const { address, body, Failure } = request;
  const headers = new Headers(request.headers);
  if (apiKey !== undefined) headers.set("x-api-key", apiKey);
  if (body !== undefined) headers.set("content-type", "application/json");
  try {
    return await fetch(address, {
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
    throw new Failure(
      `nothing answers at ${url} (${message}); start the platform with \`make run\`, or give ` +
        "its address with --url",
      { cause },
    );
  }
}
