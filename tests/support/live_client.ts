/** A reader of live streams over the network: keeps every message that has come, and its time. */
import assert from "node:assert/strict";
import { EventStreamSource } from "../../lib/http/event_stream.ts";
import { waitUntil } from "./deadline.ts";

/** A message as it came. */
export interface HeardMessage {
  readonly event: string;
  readonly id: string | null;
  // deno-lint-ignore no-explicit-any -- bodies of the contract
  readonly data: any;
  /** When it came, ms since the epoch. */
  readonly atMs: number;
}

/** Reads until it is closed or the stream ends. */
export class LiveClient implements AsyncDisposable {
  readonly heard: HeardMessage[] = [];
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  readonly #leave: () => void;

  private constructor(read: (client: LiveClient) => Promise<void>, leave: () => void) {
    this.#leave = leave;
    this.ended = read(this);
  }

  /** Over server-sent events. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<LiveClient> {
    const response = await fetch(url, { headers });
    if (response.status !== 200) {
      throw new Error(`${url}: ${response.status} ${await response.text()}`);
    }
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const source = new EventStreamSource(response.body!);
    return new LiveClient(async ({ heard }) => {
      for (let some = await source.next(); some !== null; some = await source.next()) {
        for (const { event, id, data } of some) {
          heard.push({ event, id, data: JSON.parse(data), atMs: Date.now() });
        }
      }
    }, () => source.close());
  }

  /** Over a WebSocket. `url` is that of HTTP. */
  static async openSocket(url: string): Promise<LiveClient> {
    const socket = new WebSocket(url.replace(/^http/, "ws"));
    const closed = new Promise<void>((resolve) => socket.onclose = () => resolve());
    const client = new LiveClient(async ({ heard }) => {
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        heard.push({ id: null, ...message, atMs: Date.now() });
      };
      await closed;
    }, () => socket.close());
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`no WebSocket at ${url}`));
    });
    return client;
  }

  /** The windows among the messages. */
  get frames(): HeardMessage[] {
    return this.heard.filter(({ event }) => event === "window");
  }

  /** Waits for the first message, from the `from`th on, that is so. */
  waitFor(what: string, isSo: (message: HeardMessage) => boolean, from = 0): Promise<HeardMessage> {
    return waitUntil(() => this.heard.slice(from).find(isSo), { what, deadlineMs: 20_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
    await this.ended;
  }
}

/** The value of a metric of a frame, such as `events`. */
export function metricOf({ data }: HeardMessage, name: string): number {
  const found = data.metrics.find((metric: { name: string }) => metric.name === name);
  return found.value;
}

/** By label, the values of a metric that is listed. */
export function listOf({ data }: HeardMessage, name: string, label: string) {
  const listed = data.metrics.filter((metric: { name: string }) => metric.name === name);
  return Object.fromEntries(
    listed.map((metric: { labels: Record<string, string>; value: number }) => [
      metric.labels[label],
      metric.value,
    ]),
  );
}
