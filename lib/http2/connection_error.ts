/** Why a connection has to end: codes of RFC 9113, section 7. */
import { WrongFrameSize, WrongPadding } from "./frame_reader.ts";
import * as h2 from "./frames.ts";
import { HpackError } from "./hpack.ts";

/** The peer broke the rules: the connection ends with this code. */
export class ConnectionError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** What was sent breaks the protocol. */
export function broken(message: string): ConnectionError {
  return new ConnectionError(h2.PROTOCOL_ERROR, message);
}

/** A frame of a length that its type does not have. */
export function wrongSize(): ConnectionError {
  return new ConnectionError(h2.FRAME_SIZE_ERROR, "a frame has the wrong size");
}

/** More was sent than there was room for, or room was given beyond all bounds. */
export function tooMuch(): ConnectionError {
  return new ConnectionError(h2.FLOW_CONTROL_ERROR, "a window was exceeded");
}

/** The code that a connection ends with after an error. */
export function codeOf(error: unknown): number {
  if (error instanceof ConnectionError) return error.code;
  if (error instanceof HpackError) return h2.COMPRESSION_ERROR;
  if (error instanceof WrongPadding) return h2.PROTOCOL_ERROR;
  return error instanceof WrongFrameSize ? h2.FRAME_SIZE_ERROR : h2.INTERNAL_ERROR;
}
