/**
 * Opens a port for a handler, and closes it without failing a request that is under way.
 */
import { DRAIN_MS_MAX } from "../config/limits.ts";
import type { Handler } from "./app.ts";
import type { ServerTls } from "./server_tls.ts";

/** A port cannot be opened. */
export class ListenError extends Error {
  readonly code = "RTA_PORT_UNAVAILABLE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ListenError";
  }
}

export interface ListenOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly handler: Handler;
  /** Default: plain text. */
  readonly tls?: ServerTls | null;
}

/** An open port. */
export interface HttpServer {
  /** The port that was opened. */
  readonly port: number;
  /**
   * Takes no new connections and lets requests under way finish, for at most `drainMsMax`. What is
   * left then ends with the process: Deno cannot abort a server that is shutting down (its signal
   * throws BadResource out of reach of any handler). A second call waits for the first.
   */
  stop(drainMsMax?: number): Promise<void>;
}

/** @throws {ListenError} when the port is taken or not permitted */
export function listen(options: ListenOptions): HttpServer {
  const { host, port, handler, tls } = options;
  const secret = tls ? { cert: tls.certificate, key: tls.key } : {};
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({ hostname: host, port, ...secret, onListen: () => {} }, handler);
  } catch (cause) {
    throw new ListenError(messageOf(cause, host, port), { cause });
  }
  let stopped: Promise<void> | null = null;
  return {
    port: server.addr.port,
    stop: (drainMsMax = DRAIN_MS_MAX) => stopped ??= stopServer(server, drainMsMax),
  };
}

async function stopServer(
  server: Deno.HttpServer<Deno.NetAddr>,
  drainMsMax: number,
): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, drainMsMax);
  await Promise.race([server.shutdown(), late.promise]);
  clearTimeout(timer);
}

function messageOf(cause: unknown, host: string, port: number): string {
  if (cause instanceof Deno.errors.AddrInUse) {
    return `port ${port} on ${host} is taken by another program: stop it or choose another port`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return `${host} is not an address of this machine`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return `port ${port} on ${host} may not be opened by this user: choose one above 1023`;
  }
  return `port ${port} on ${host} cannot be opened: ${String(cause)}`;
}
