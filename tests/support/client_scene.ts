/** What stands in for time and the network in tests of the client library. */
import { setImmediate } from "node:timers";
import type { Clock } from "../../lib/client/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #nowMs = 1_795_000_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How long each thing that waits has to wait from now, ms, soonest first. */
  get waits(): number[] {
    return [...this.#timers].map(({ atMs }) => atMs - this.#nowMs).sort((a, b) => a - b);
  }

  /** Lets a time pass; what becomes due runs in order, and so does what follows from it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
      await settled();
    }
    this.#nowMs = untilMs;
  }
}

/** A clock on which every wait is over at once, and takes its time all the same. */
export class HastyClock implements Clock {
  #nowMs = 1_795_000_000_000;
  /** What was waited, ms. */
  readonly waited: number[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    let isWanted = true;
    queueMicrotask(() => {
      if (!isWanted) return;
      this.waited.push(ms);
      this.#nowMs += ms;
      run();
    });
    return () => isWanted = false;
  }
}

/** Lets everything run that needs no timer and no network. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise<void>((resolve) => setImmediate(() => resolve()));
  }
}

/** A request as it reached the network. */
export interface SentRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** A network that answers as it is told; it keeps what was sent. */
export class FakeNetwork {
  readonly sent: SentRequest[] = [];
  /** Answers the request of that number, from 0 on. */
  answer: (request: SentRequest, index: number) => Response | Promise<Response>;

  constructor(answer: FakeNetwork["answer"]) {
    this.answer = answer;
  }

  readonly fetch = (async (input: string, init: RequestInit): Promise<Response> => {
    const signal = init.signal!;
    signal.throwIfAborted();
    const body = init.body instanceof Uint8Array ? init.body : new Uint8Array(0);
    const headers = new Headers(init.headers);
    const request = { url: input, method: init.method!, headers, body, signal };
    const answering = this.answer(request, this.sent.push(request) - 1);
    return await Promise.race([
      answering,
      new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      ),
    ]);
  }) as typeof fetch;
}

/** A JSON answer. */
export function jsonAnswer(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

/** An answer that never comes. */
export function noAnswer(): Promise<Response> {
  return new Promise(() => {});
}

/** The events of a body of NDJSON. */
// deno-lint-ignore no-explicit-any -- events of every form
export function eventsIn({ body }: SentRequest): any[] {
  return new TextDecoder().decode(body).split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
