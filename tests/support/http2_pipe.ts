/** Ends of HTTP/2 connections over a pipe in memory, for tests. */
import { Http2Connection, type Http2Transport } from "../../lib/http2/connection.ts";
import * as h2 from "../../lib/http2/frames.ts";
import type { HeaderList } from "../../lib/http2/hpack.ts";
import type { Http2Stream } from "../../lib/http2/stream.ts";

/** One end of a pipe in memory. */
export class End implements Http2Transport {
  peer!: End;
  readonly received: Uint8Array[] = [];
  #wake: (() => void) | null = null;
  #closed = false;

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.received.length === 0) {
      if (this.#closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const [first] = this.received;
    const count = Math.min(first.length, buffer.length);
    buffer.set(first.subarray(0, count));
    if (count === first.length) this.received.shift();
    else this.received[0] = first.subarray(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(new Error("closed"));
    this.peer.received.push(bytes.slice());
    this.peer.#wake?.();
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
    this.peer.#closed = true;
    this.peer.#wake?.();
  }
}

/** Two ends that are connected. */
export function pipe(): [End, End] {
  const [a, b] = [new End(), new End()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}

/** Headers of a request. */
export const REQUEST: HeaderList = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo"],
  ["te", "trailers"],
];

/** A client and a server that are connected. */
export function connected(onStream: (stream: Http2Stream) => void) {
  const [near, far] = pipe();
  const server = new Http2Connection(far, { isServer: true, onStream });
  const client = new Http2Connection(near, { isServer: false });
  const ended = Promise.all([server.run(), client.run()]);
  return { server, client, ended };
}

/** A server, and the bytes that a peer of its own making says to it. */
export function serverOnly(onStream: (stream: Http2Stream) => void = () => {}) {
  const [near, far] = pipe();
  const server = new Http2Connection(far, { isServer: true, onStream });
  const ended = server.run();
  const say = (...parts: Uint8Array[]) => parts.forEach((part) => void near.write(part));
  return { near, server, ended, say };
}

/** An empty SETTINGS frame. */
export const settings = h2.frame(h2.SETTINGS, 0, 0, new Uint8Array(0));

/** The code of the goodbye that an end was sent; null = none. */
export function goodbyeCode(end: End): number | null {
  const bytes = Uint8Array.from(end.received.flatMap((part) => [...part]));
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2];
    if (bytes[at + 3] === h2.GOAWAY) return h2.uint32At(bytes, at + 13);
    at += 9 + length;
  }
  return null;
}
