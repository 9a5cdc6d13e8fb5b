/**
 * The same messages over a WebSocket (RFC 6455), at the pace of its reader: while more than
 * LIVE_SOCKET_BYTES_MAX wait in the socket, the source is not asked for more.
 */
import { LIVE_SOCKET_BYTES_MAX, LIVE_SOCKET_POLL_MS } from "../config/limits.ts";
import type { MessageSource } from "./event_stream.ts";
import { ProblemError } from "./problem.ts";

/** The server ends: come back. */
const GOING_AWAY = 1001;
const OPEN = 1;

/** Whether the client asks for a WebSocket. */
export function wantsSocket(headers: Headers): boolean {
  return headers.get("upgrade")?.toLowerCase() === "websocket";
}

/**
 * Answers a request for a WebSocket. The socket ends with the source, and closes it when the client
 * goes. What the client sends is not read. Throws ProblemError when the request is none.
 */
export function socketResponse(request: Request, source: MessageSource): Response {
  let upgraded: Deno.WebSocketUpgrade;
  try {
    upgraded = Deno.upgradeWebSocket(request);
  } catch (cause) {
    source.close();
    const detail = "this is no request for a WebSocket that can be answered";
    throw new ProblemError("invalid_parameter", detail, { field: "upgrade", cause });
  }
  const { socket, response } = upgraded;
  socket.onopen = () => void send(socket, source);
  socket.onclose = () => source.close();
  // It is closed after that.
  socket.onerror = () => source.close();
  return response;
}

async function send(socket: WebSocket, source: MessageSource): Promise<void> {
  for (;;) {
    const messages = await source.next();
    if (socket.readyState !== OPEN) return source.close();
    if (messages === null) return socket.close(GOING_AWAY, "the stream has ended");
    for (const message of messages) socket.send(message.socketText);
    if (socket.bufferedAmount > LIVE_SOCKET_BYTES_MAX) await roomIn(socket);
  }
}

/** Resolves when the socket has room again, or is closed. There is no event for that. */
function roomIn(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (socket.bufferedAmount <= LIVE_SOCKET_BYTES_MAX) end();
    }, LIVE_SOCKET_POLL_MS);
    const end = () => {
      clearInterval(timer);
      socket.removeEventListener("close", end);
      resolve();
    };
    socket.addEventListener("close", end);
  });
}
