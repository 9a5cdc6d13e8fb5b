/**
 * Live streams that a gateway without the role analytics passes on from the process that has it:
 * message by message, at the pace of the client, so that the stream itself notices a slow one. What
 * comes is always an event stream; it goes on as one, or over a WebSocket where the client asked for
 * that. When this process stops its clients are told, as they would be there.
 */
import { FORWARD_MS_MAX } from "../../lib/config/limits.ts";
import {
  EVENT_STREAM_TYPE,
  eventStreamResponse,
  EventStreamSource,
  type MessageSource,
  StreamMessage,
} from "../../lib/http/event_stream.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { REQUEST_ID_HEADER } from "../../lib/http/request_id.ts";
import { socketResponse, wantsSocket } from "../../lib/http/socket_stream.ts";

/** Headers that ask for a WebSocket; what is fetched is not one. */
const SOCKET_HEADERS = [
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
];
/** Headers of an answer that hold for its own connection, or that this port adds itself. */
const OWN_ANSWER_HEADERS = [
  "access-control-allow-origin",
  "access-control-expose-headers",
  "content-encoding",
  "content-length",
];
const END = new StreamMessage(
  "end",
  JSON.stringify({ code: "shutting_down", message: "the gateway is shutting down; come back" }),
);

/** Where a live stream is, and what goes with the request for it. */
export interface LiveOrder {
  readonly url: string;
  /** Of the request, without those of its connection. */
  readonly headers: Headers;
  /** Aborted when this process stops. */
  readonly stopping: AbortSignal;
}

/** The answer to a request for a live stream, which `ask` fetches. */
export async function forwardLive(
  ask: typeof fetch,
  request: Request,
  { url, headers, stopping }: LiveOrder,
): Promise<Response> {
  if (stopping.aborted) throw new ProblemError("shutting_down");
  for (const name of SOCKET_HEADERS) headers.delete(name);
  const answer = await fetchStream(ask, url, headers, request.signal);
  const isStream = answer.headers.get("content-type")?.startsWith(EVENT_STREAM_TYPE);
  if (!isStream || answer.body === null) {
    // The body is unpacked by now.
    const kept = new Headers(answer.headers);
    for (const name of [...OWN_ANSWER_HEADERS, REQUEST_ID_HEADER]) kept.delete(name);
    return new Response(answer.body, { status: answer.status, headers: kept });
  }
  const source = new EndingSource(new EventStreamSource(answer.body), stopping);
  return wantsSocket(request.headers)
    ? socketResponse(request, source)
    : eventStreamResponse(source);
}

/** Waits for the beginning of the answer alone. */
async function fetchStream(
  ask: typeof fetch,
  url: string,
  headers: Headers,
  gone: AbortSignal,
): Promise<Response> {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), FORWARD_MS_MAX);
  const leave = () => giveUp.abort();
  gone.addEventListener("abort", leave);
  try {
    return await ask(url, { headers, redirect: "manual", signal: giveUp.signal });
  } catch (cause) {
    throw new ProblemError("store_unavailable", "the analytics service is away", { cause });
  } finally {
    clearTimeout(timer);
    gone.removeEventListener("abort", leave);
  }
}

/** A source that ends early, and says so, when the process stops. */
class EndingSource implements MessageSource {
  readonly #source: MessageSource;
  readonly #stopping: AbortSignal;
  readonly #stop = () => this.#stopped?.();
  #stopped: (() => void) | null = null;
  #isEnded = false;

  constructor(source: MessageSource, stopping: AbortSignal) {
    this.#source = source;
    this.#stopping = stopping;
    stopping.addEventListener("abort", this.#stop);
  }

  async next(): Promise<readonly StreamMessage[] | null> {
    if (this.#isEnded) return null;
    const messages = await new Promise<readonly StreamMessage[] | null>((resolve) => {
      this.#stopped = () => {
        this.#isEnded = true;
        resolve([END]);
      };
      if (this.#stopping.aborted) this.#stopped();
      else void this.#source.next().then(resolve);
    });
    this.#stopped = null;
    if (messages === null || this.#isEnded) this.close();
    return messages;
  }

  close(): void {
    this.#isEnded = true;
    this.#stopping.removeEventListener("abort", this.#stop);
    this.#source.close();
  }
}
