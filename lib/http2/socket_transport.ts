/**
 * A socket of `node:net` or `node:tls`, which Deno, Node and Bun have, as HTTP/2 uses it: reads into
 * a buffer that is given, as Deno.Conn does.
 */
import type { Socket } from "node:net";
import type { Http2Transport } from "./connection.ts";

export class SocketTransport implements Http2Transport {
  readonly #socket: Socket;
  #ended = false;
  /** Of the read that waits; one at a time. */
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => this.#wake?.();
    const end = () => {
      this.#ended = true;
      wake();
    };
    socket.on("readable", wake);
    for (const event of ["end", "close", "error"]) socket.on(event, end);
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (true) {
      const bytes = Math.min(buffer.length, this.#socket.readableLength);
      const chunk: Uint8Array | null = bytes > 0 ? this.#socket.read(bytes) : null;
      if (chunk !== null) {
        buffer.set(chunk);
        return chunk.length;
      }
      if (this.#ended) return null;
      // Asks for more: `readable` follows once there is some.
      this.#socket.read(0);
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = null;
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
