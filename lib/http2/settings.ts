/** What both sides say of themselves first (RFC 9113, section 6.5), and what we take of it. */
import {
  H2_CONNECTION_WINDOW_BYTES,
  H2_HEADER_LIST_BYTES_MAX,
  H2_STREAM_WINDOW_BYTES,
  H2_STREAMS_MAX,
} from "../config/grpc_limits.ts";
import { broken, tooMuch } from "./connection_error.ts";
import * as h2 from "./frames.ts";

/** The frames that a connection begins with. */
export function greeting(isServer: boolean): Uint8Array[] {
  const settings: [number, number][] = [
    [h2.SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX],
    [h2.SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES],
    [h2.SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADER_LIST_BYTES_MAX],
  ];
  // A server must not speak of push at all.
  if (!isServer) settings.unshift([h2.SETTINGS_ENABLE_PUSH, 0]);
  const more = H2_CONNECTION_WINDOW_BYTES - h2.WINDOW_DEFAULT;
  return [
    ...(isServer ? [] : [h2.PREFACE]),
    h2.frame(h2.SETTINGS, 0, 0, h2.settingsPayload(settings)),
    h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.words(more)),
  ];
}

/**
 * The window of new streams after a peer's settings; the last one counts. Table size, streams and
 * header lists are of no concern: we use no table, and few streams. Throws ConnectionError.
 */
export function windowAfter(payload: Uint8Array, window: number): number {
  for (let at = 0; at < payload.length; at += 6) {
    const id = payload[at] << 8 | payload[at + 1];
    const value = h2.uint32At(payload, at + 2);
    if (id === h2.SETTINGS_ENABLE_PUSH && value > 1) throw broken("push is on or off");
    if (id === h2.SETTINGS_MAX_FRAME_SIZE && (value < h2.FRAME_BYTES_MAX || value > 0xffffff)) {
      throw broken("the longest frame is out of range");
    }
    if (id !== h2.SETTINGS_INITIAL_WINDOW_SIZE) continue;
    if (value > h2.WINDOW_MAX) throw tooMuch();
    window = value;
  }
  return window;
}

/** Whether a connection begins as one of HTTP/1 does. */
export function isHttp1(said: Uint8Array): boolean {
  return /^[A-Z]{3,10} [/*h]/.test(String.fromCharCode(...said));
}

/** What such a client is told. */
export const HTTP1_ANSWER = Uint8Array.from(
  "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n" +
    "content-length: 46\r\n\r\nthis port speaks gRPC only, which is on HTTP/2",
  (char) => char.charCodeAt(0),
);
