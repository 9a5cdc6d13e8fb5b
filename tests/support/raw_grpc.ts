/** Calls of gRPC whose bytes may be any, and connections whose bytes may be any. */
import { Http2Connection } from "../../lib/http2/connection.ts";
import type { HeaderList } from "../../lib/http2/hpack.ts";
import { joined } from "../../lib/http2/send_queue.ts";
import { StreamReset } from "../../lib/http2/stream.ts";

/** What a call ended with. */
export interface RawAnswer {
  /** -1 = it was reset, or the connection ended. */
  readonly status: number;
  /** The bytes of the body, messages with their prefixes. */
  readonly body: Uint8Array;
  readonly headers: HeaderList;
}

/** A connection of HTTP/2 that sends what it is given. */
export class RawGrpc implements Disposable {
  readonly connection: Http2Connection;

  private constructor(connection: Http2Connection) {
    this.connection = connection;
    void connection.run();
  }

  static async connect(port: number): Promise<RawGrpc> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    return new RawGrpc(new Http2Connection(conn, { isServer: false }));
  }

  /** Sends a body, whole, and gives the answer. */
  async call(
    path: string,
    body: Uint8Array,
    more: HeaderList = [],
    endStream = true,
  ): Promise<RawAnswer> {
    const stream = this.connection.open(callHeaders(path, more));
    const parts: Uint8Array[] = [];
    try {
      await stream.write(body, endStream).catch((error) => {
        if (!(error instanceof StreamReset)) throw error;
      });
      const headers = await stream.response();
      for (let part = await stream.read(); part !== null; part = await stream.read()) {
        parts.push(part);
      }
      const all = [...headers, ...stream.trailers ?? []];
      const status = Number(all.find(([name]) => name === "grpc-status")?.[1] ?? -1);
      return { status, body: joined(parts), headers: all };
    } catch (error) {
      if (!(error instanceof StreamReset)) throw error;
      return { status: -1, body: joined(parts), headers: [] };
    } finally {
      stream.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

/** Headers that begin a call. */
export function callHeaders(path: string, more: HeaderList = []): HeaderList {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ...more,
  ];
}

/** Says bytes on a new connection and reads until the server, or `signal`, ends it. */
export async function sayRaw(port: number, ...parts: Uint8Array[]): Promise<Uint8Array> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const heard: Uint8Array[] = [];
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length;) at += await conn.write(part.subarray(at));
    }
    await conn.closeWrite();
    const buffer = new Uint8Array(16_384);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      heard.push(buffer.slice(0, n));
    }
  } catch {
    // It was cut off, which the server may do.
  } finally {
    conn.close();
  }
  return joined(heard);
}
