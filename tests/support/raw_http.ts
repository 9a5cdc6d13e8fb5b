/**
 * An HTTP client over one TCP connection that hides nothing: `fetch` sends some failed requests
 * again by itself, and a test of what a client loses has to see each of them.
 */

/** What became of a request. */
export type RawOutcome =
  | { readonly kind: "answered"; readonly status: number; readonly body: string }
  /** Nobody listens: the request was not sent. */
  | { readonly kind: "refused" }
  /** The connection ended before there was an answer. */
  | { readonly kind: "dropped"; readonly why: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends one request after the other, on one connection for as long as the server keeps it. */
export class RawClient implements Disposable {
  readonly #hostname: string;
  readonly #port: number;
  #connection: Deno.TcpConn | null = null;

  /** @param url base URL of the port, http */
  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#hostname = hostname;
    this.#port = Number(port);
  }

  /** Sends a POST; `beforeEnd` is awaited before the last byte of the body is sent. */
  async post(path: string, body: string, beforeEnd?: () => Promise<void>): Promise<RawOutcome> {
    try {
      this.#connection ??= await Deno.connect({ hostname: this.#hostname, port: this.#port });
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return { kind: "refused" };
      return { kind: "dropped", why: `connect: ${error}` };
    }
    const bytes = encoder.encode(body);
    const head = `POST ${path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n` +
      `content-length: ${bytes.length}\r\n\r\n`;
    try {
      await this.#write(encoder.encode(head));
      await this.#write(bytes.subarray(0, -1));
      await beforeEnd?.();
      await this.#write(bytes.subarray(-1));
      return await this.#answer();
    } catch (error) {
      this[Symbol.dispose]();
      return { kind: "dropped", why: String(error) };
    }
  }

  [Symbol.dispose](): void {
    this.#connection?.close();
    this.#connection = null;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection!.write(bytes.subarray(at));
  }

  async #answer(): Promise<RawOutcome> {
    const buffer = new Uint8Array(16_384);
    for (let text = "";;) {
      const read = await this.#connection!.read(buffer);
      if (read === null) throw new Error(`the connection ended after "${text}"`);
      text += decoder.decode(buffer.subarray(0, read));
      const headEnd = text.indexOf("\r\n\r\n");
      if (headEnd < 0) continue;
      const head = text.slice(0, headEnd);
      const body = text.slice(headEnd + 4);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1]);
      if (encoder.encode(body).length < length) continue;
      if (/^connection: *close/im.test(head)) this[Symbol.dispose]();
      return { kind: "answered", status: Number(head.split(" ")[1]), body };
    }
  }
}
