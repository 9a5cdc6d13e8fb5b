/**
 * A port of mutual TLS: clients show a certificate that one of our authorities has signed, or the
 * handshake fails. By `node:tls`, because Deno.listenTls and Deno.serve can't ask for certificates.
 */
import { createServer, type TLSSocket } from "node:tls";
import { MTLS_HANDSHAKE_MS_MAX } from "../config/limits.ts";
import { ListenError } from "./listen.ts";
import type { ServerTls } from "./server_tls.ts";

export interface MutualTlsOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly tls: ServerTls & { readonly clientAuthorities: string };
  /** What is spoken over it, as ALPN names it. */
  readonly protocol: "h2" | "http/1.1";
  /** A client whose certificate is good. */
  readonly onSocket: (socket: TLSSocket) => void;
}

/** An open port. */
export interface MutualTlsPort {
  readonly port: number;
  /** Takes no more connections; those there are stay. */
  close(): void;
}

/** Whether clients have to show certificates. */
export function asksClients(tls: ServerTls | null): tls is MutualTlsOptions["tls"] {
  return tls !== null && tls.clientAuthorities !== null;
}

/** Opens the port. Rejects with ListenError. */
export function listenMutualTls(options: MutualTlsOptions): Promise<MutualTlsPort> {
  const { host, port, tls, protocol, onSocket } = options;
  const server = createServer({
    cert: tls.certificate,
    key: tls.key,
    ca: [tls.clientAuthorities],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ALPNProtocols: [protocol],
    handshakeTimeout: MTLS_HANDSHAKE_MS_MAX,
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    // Belt and braces: a socket that was not judged good is not served.
    if (!socket.authorized) socket.destroy();
    else onSocket(socket);
  });
  // A handshake that fails ends its connection, which is all there is to do.
  server.on("tlsClientError", () => {});
  return new Promise((resolve, reject) => {
    server.on("error", (cause: Error) => {
      reject(
        new ListenError(`port ${port} on ${host} cannot be opened: ${cause.message}`, { cause }),
      );
    });
    server.listen(port, host, () => {
      const address = server.address();
      const opened = typeof address === "object" && address !== null ? address.port : port;
      resolve({ port: opened, close: () => void server.close() });
    });
  });
}
