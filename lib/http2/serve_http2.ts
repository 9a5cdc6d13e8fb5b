/**
 * A port that speaks HTTP/2 only: in plain text from the first byte (prior knowledge), or over TLS
 * where both sides agree on `h2`, and clients show certificates where they have to. Watches over its
 * connections: those that say nothing, that went silent, that are too many.
 */
import type { TLSSocket } from "node:tls";
import {
  GRPC_KEEPALIVE_MS,
  GRPC_KEEPALIVE_TIMEOUT_MS,
  H2_CONNECTIONS_MAX,
  H2_PREFACE_MS_MAX,
} from "../config/grpc_limits.ts";
import { ListenError } from "../http/listen.ts";
import { asksClients, listenMutualTls } from "../http/mutual_tls.ts";
import type { ServerTls } from "../http/server_tls.ts";
import { Http2Connection, type Http2Transport } from "./connection.ts";
import type { Http2Stream } from "./stream.ts";
import { SocketTransport } from "./socket_transport.ts";

export interface Http2ServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** null = plain text. */
  readonly tls: ServerTls | null;
  readonly onStream: (stream: Http2Stream) => void;
}

export class Http2Server {
  #port = 0;
  /** Ends the taking of connections. */
  #close: () => Promise<void> = () => Promise.resolve();
  readonly #onStream: (stream: Http2Stream) => void;
  readonly #connections = new Set<Http2Connection>();
  #stopping = false;

  private constructor(onStream: (stream: Http2Stream) => void) {
    this.#onStream = onStream;
  }

  /** Opens the port. Rejects with ListenError. */
  static async open({ host, port, tls, onStream }: Http2ServerOptions): Promise<Http2Server> {
    const server = new Http2Server(onStream);
    if (asksClients(tls)) {
      const onSocket = (socket: TLSSocket) => server.#take(new SocketTransport(socket));
      const opened = await listenMutualTls({ host, port, tls, protocol: "h2", onSocket });
      server.#port = opened.port;
      server.#close = () => Promise.resolve(opened.close());
      return server;
    }
    const listener = openListener({ host, port, tls });
    server.#port = (listener.addr as Deno.NetAddr).port;
    const accepting = server.#accept(listener);
    server.#close = () => {
      listener.close();
      return accepting;
    };
    return server;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Takes no more connections and lets streams end, for at most `drainMsMax`; then ends all. */
  async stop(drainMsMax: number): Promise<void> {
    this.#stopping = true;
    await this.#close();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, drainMsMax);
    const leaving = Promise.all([...this.#connections].map((connection) => connection.leave()));
    await Promise.race([leaving, late.promise]);
    clearTimeout(timer);
    for (const connection of this.#connections) connection.close();
  }

  async #accept(listener: Deno.Listener<Deno.Conn>): Promise<void> {
    while (true) {
      let conn: Deno.Conn;
      try {
        conn = await listener.accept();
      } catch {
        if (this.#stopping) return;
        // A client that breaks off, a handshake that fails, no more files: the port goes on.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      try {
        if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
      } catch {
        // It is gone already, which reading tells.
      }
      this.#take(conn);
    }
  }

  #take(transport: Http2Transport): void {
    if (this.#stopping || this.#connections.size >= H2_CONNECTIONS_MAX) transport.close();
    else void this.#serve(transport);
  }

  async #serve(transport: Http2Transport): Promise<void> {
    const connection = new Http2Connection(transport, { isServer: true, onStream: this.#onStream });
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

/** The port without certificates of clients. Throws ListenError. */
function openListener(
  { host, port, tls }: Pick<Http2ServerOptions, "host" | "port" | "tls">,
): Deno.Listener<Deno.Conn> {
  try {
    return tls === null ? Deno.listen({ hostname: host, port }) : Deno.listenTls({
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
}
