/**
 * A port for a handler whose clients show certificates:
 *
 *     client --- mutual TLS (node:tls) --- this process --- Unix socket --- Deno.serve
 *
 * Deno.serve can't ask for certificates, so the bytes come out of TLS here and go on to it through a
 * socket in a folder that only this user can enter. HTTP/1.1, WebSockets too.
 */
import { connect } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import type { TLSSocket } from "node:tls";
import { DRAIN_MS_MAX, HTTP_MTLS_CONNECTIONS_MAX } from "../config/limits.ts";
import { type HttpServer, listen, type ListenOptions } from "./listen.ts";
import { asksClients, listenMutualTls, type MutualTlsOptions } from "./mutual_tls.ts";

interface ListenMutualOptions extends ListenOptions {
  readonly tls: MutualTlsOptions["tls"];
}

/** Opens a port as its TLS wants it: clients show certificates or not. Rejects with ListenError. */
export async function openHttp(options: ListenOptions): Promise<HttpServer> {
  const { tls = null } = options;
  return asksClients(tls) ? await listenMutual({ ...options, tls }) : listen(options);
}

async function listenMutual(options: ListenMutualOptions): Promise<HttpServer> {
  const folder = await Deno.makeTempDir({ prefix: "rta-tls-" });
  const path = join(folder, "http.sock");
  const server = Deno.serve({ path, onListen: () => {} }, options.handler);
  const open = new Set<TLSSocket>();
  const close = async (drainMsMax: number) => {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, drainMsMax);
    await Promise.race([server.shutdown(), late.promise]);
    clearTimeout(timer);
    for (const socket of open) socket.destroy();
    await Deno.remove(folder, { recursive: true });
  };
  const onSocket = (socket: TLSSocket) => {
    if (open.size >= HTTP_MTLS_CONNECTIONS_MAX) return void socket.destroy();
    open.add(socket);
    const inner = connect({ path });
    // Each ends the other; how it came is of no interest.
    pipeline(socket, inner, () => {});
    pipeline(inner, socket, () => open.delete(socket));
  };
  try {
    const front = await listenMutualTls({ ...options, protocol: "http/1.1", onSocket });
    let stopped: Promise<void> | null = null;
    const stop = (drainMsMax = DRAIN_MS_MAX) => {
      front.close();
      return stopped ??= close(drainMsMax);
    };
    return { port: front.port, stop };
  } catch (error) {
    await close(0);
    throw error;
  }
}
