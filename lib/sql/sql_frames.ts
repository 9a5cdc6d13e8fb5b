/**
 * Frames between the process with the SQL engine and the one that started it:
 *
 *     offset  size
 *          0     4   bytes of the message, uint32, little endian
 *          4     4   bytes of the body, uint32, little endian
 *          8     m   the message, JSON (sql_protocol.ts)
 *      8 + m     b   the body: text of rows, or nothing
 */
import { SQL_FRAME_BYTES_MAX } from "../config/export_limits.ts";

const HEAD_BYTES = 8;

/** One frame; `body` is the receiver's own. */
export interface SqlFrame<Message> {
  readonly message: Message;
  readonly body: Uint8Array<ArrayBuffer>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const noBody = new Uint8Array(0);

/** A message and its body as one frame. */
export function encodeFrame(message: unknown, body: Uint8Array = noBody): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(JSON.stringify(message));
  const frame = new Uint8Array(HEAD_BYTES + text.length + body.length);
  const head = new DataView(frame.buffer);
  head.setUint32(0, text.length, true);
  head.setUint32(4, body.length, true);
  frame.set(text, HEAD_BYTES);
  frame.set(body, HEAD_BYTES + text.length);
  return frame;
}

/** The frames of a stream, until it ends. Throws when they are no frames. */
export async function* decodeFrames<Message>(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<SqlFrame<Message>> {
  let waiting: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  for await (const chunk of stream) {
    waiting = joined(waiting, chunk);
    for (;;) {
      const size = frameSize(waiting);
      if (size === null || waiting.length < size.message + size.body + HEAD_BYTES) break;
      const bodyStart = HEAD_BYTES + size.message, end = bodyStart + size.body;
      const message = JSON.parse(decoder.decode(waiting.subarray(HEAD_BYTES, bodyStart)));
      yield { message, body: waiting.slice(bodyStart, end) };
      waiting = waiting.slice(end);
    }
  }
}

function frameSize(bytes: Uint8Array<ArrayBuffer>): { message: number; body: number } | null {
  if (bytes.length < HEAD_BYTES) return null;
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  const size = { message: head.getUint32(0, true), body: head.getUint32(4, true) };
  if (size.message + size.body > SQL_FRAME_BYTES_MAX) throw new Error("this is no SQL frame");
  return size;
}

function joined(head: Uint8Array<ArrayBuffer>, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(head.length + tail.length);
  both.set(head);
  both.set(tail, head.length);
  return both;
}
