/**
 * A port that speaks HTTP/2 only: in plain text from the first byte (prior knowledge), or over TLS
 * where both sides agree on `h2`. Watches over its connections: those that say nothing, that went
 * silent, that are too many.
 */
import {
  GRPC_KEEPALIVE_MS,
  GRPC_KEEPALIVE_TIMEOUT_MS,
  H2_CONNECTIONS_MAX,
  H2_PREFACE_MS_MAX,
} from "../config/grpc_limits.ts";
import { ListenError } from "../http/listen.ts";
import type { ServerTls } from "../http/server_tls.ts";
import { Http2Connection } from "./connection.ts";
import type { Http2Stream } from "./stream.ts";

export interface Http2ServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** null = plain text. */
  readonly tls: ServerTls | null;
  readonly onStream: (stream: Http2Stream) => void;
}

export class Http2Server {
  readonly port: number;
  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #onStream: (stream: Http2Stream) => void;
  readonly #connections = new Set<Http2Connection>();
  readonly #accepting: Promise<void>;
  #stopping = false;

  /** Opens the port. Throws ListenError. */
  constructor({ host, port, tls, onStream }: Http2ServerOptions) {
    this.#onStream = onStream;
    try {
      this.#listener = tls === null ? Deno.listen({ hostname: host, port }) : Deno.listenTls({
        hostname: host,
        port,
        cert: tls.certificate,
        key: tls.key,
        alpnProtocols: ["h2"],
      });
    } catch (cause) {
      const mend = "stop the program that has it, or choose another port";
      throw new ListenError(`gRPC port ${port} on ${host} cannot be opened: ${mend}`, { cause });
    }
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accepting = this.#accept();
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Takes no more connections and lets streams end, for at most `drainMsMax`; then ends all. */
  async stop(drainMsMax: number): Promise<void> {
    this.#stopping = true;
    this.#listener.close();
    await this.#accepting;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, drainMsMax);
    const leaving = Promise.all([...this.#connections].map((connection) => connection.leave()));
    await Promise.race([leaving, late.promise]);
    clearTimeout(timer);
    for (const connection of this.#connections) connection.close();
  }

  async #accept(): Promise<void> {
    while (true) {
      let conn: Deno.Conn;
      try {
        conn = await this.#listener.accept();
      } catch {
        if (this.#stopping) return;
        // A client that breaks off, a handshake that fails, no more files: the port goes on.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      if (this.#connections.size >= H2_CONNECTIONS_MAX) conn.close();
      else void this.#serve(conn);
    }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    try {
      if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    } catch {
      // It is gone already, which reading tells.
    }
    const connection = new Http2Connection(conn, { isServer: true, onStream: this.#onStream });
    this.#connections.add(connection);
    const preface = setTimeout(() => {
      if (!connection.isEstablished) connection.close();
    }, H2_PREFACE_MS_MAX);
    const watch = setInterval(() => void this.#checkLife(connection), GRPC_KEEPALIVE_MS);
    await connection.run();
    clearTimeout(preface);
    clearInterval(watch);
    this.#connections.delete(connection);
  }

  async #checkLife(connection: Http2Connection): Promise<void> {
    const timer = setTimeout(() => connection.close(), GRPC_KEEPALIVE_TIMEOUT_MS);
    await connection.ping();
    clearTimeout(timer);
  }
}
