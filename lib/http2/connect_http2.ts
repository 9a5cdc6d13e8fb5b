/** The way to an HTTP/2 server: TCP, or TLS that agrees on h2, on every runtime that has `node:net`. */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Http2Transport } from "./connection.ts";
import { SocketTransport } from "./socket_transport.ts";

/** A client's certificate, its chain after it, and its key, in PEM. */
export interface ClientIdentity {
  readonly certificate: string;
  readonly key: string;
}

export interface Http2Place {
  readonly host: string;
  readonly port: number;
  /** null = plain text; else certificates of authorities in PEM, "" = the system's. */
  readonly caCertificate: string | null;
  /** Of mutual TLS: what the client shows. */
  readonly identity?: ClientIdentity;
}

/** Connects. Rejects with what stands in the way. */
export async function connectHttp2(place: Http2Place): Promise<Http2Transport> {
  const isTls = place.caCertificate !== null;
  const socket = isTls ? openTls(place) : connect({ host: place.host, port: place.port });
  const connected = Promise.withResolvers<void>();
  socket.once(isTls ? "secureConnect" : "connect", connected.resolve);
  socket.once("error", connected.reject);
  socket.once("close", () => connected.reject(new Error("the connection was closed")));
  try {
    await connected.promise;
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.setNoDelay(true);
  return new SocketTransport(socket);
}

function openTls({ host, port, caCertificate, identity }: Http2Place): Socket {
  return connectTls({
    host,
    port,
    ALPNProtocols: ["h2"],
    // RFC 6066: the name of a server is no address.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(caCertificate === "" ? {} : { ca: [caCertificate!] }),
    ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
  });
}
