/**
 * A connection that sends ready-made HTTP/1.1 requests one after the other. fetch() would make and
 * parse far more for each of them, and what the client costs the platform does not get: both share
 * the machine's cores.
 */

/** Room for the answers that are expected; grows when one is longer. */
const answerBytesInitial = 64 * 1024;
const decoder = new TextDecoder();

/** One answer. */
export interface HttpAnswer {
  readonly status: number;
  /** Valid until the next request. */
  readonly body: Uint8Array;
}

export class KeepAliveConnection {
  readonly #connection: Deno.TcpConn;
  #buffer = new Uint8Array(answerBytesInitial);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** @param url of the server; its path is of no account */
  static async open(url: string): Promise<KeepAliveConnection> {
    const { hostname, port } = new URL(url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    connection.setNoDelay(true);
    return new KeepAliveConnection(connection);
  }

  /** Sends one whole request and gives its answer. Throws when the server closes first. */
  async exchange(request: Uint8Array): Promise<HttpAnswer> {
    let sent = 0;
    while (sent < request.length) sent += await this.#connection.write(request.subarray(sent));
    let received = 0;
    let head: { status: number; bodyAt: number; end: number } | null = null;
    while (head === null || received < head.end) {
      this.#makeRoom(head?.end ?? received + 1);
      const count = await this.#connection.read(this.#buffer.subarray(received));
      if (count === null) throw new Error("the server closed the connection");
      received += count;
      head ??= readHead(this.#buffer, received);
    }
    return { status: head.status, body: this.#buffer.subarray(head.bodyAt, head.end) };
  }

  close(): void {
    this.#connection.close();
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(bytes, 2 * this.#buffer.length));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}

/** Status, and where the body begins and ends; null = the head is not whole yet. */
function readHead(bytes: Uint8Array, received: number) {
  const text = decoder.decode(bytes.subarray(0, Math.min(received, 4096)));
  const bodyAt = text.indexOf("\r\n\r\n") + 4;
  if (bodyAt < 4) return null;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, bodyAt))?.[1];
  if (length === undefined) throw new Error(`an answer without content-length: ${text}`);
  return { status: Number(text.slice(9, 12)), bodyAt, end: bodyAt + Number(length) };
}

const encoder = new TextEncoder();

/** The bytes of a GET request. */
export function getRequest(url: string): Uint8Array {
  const { host, pathname, search } = new URL(url);
  return encoder.encode(`GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
}

/** The bytes of a POST request. */
export function postRequest(url: string, contentType: string, body: Uint8Array): Uint8Array {
  const { host, pathname } = new URL(url);
  const head = encoder.encode(
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: ${contentType}\r\n` +
      `content-length: ${body.length}\r\n\r\n`,
  );
  const request = new Uint8Array(head.length + body.length);
  request.set(head);
  request.set(body, head.length);
  return request;
}
