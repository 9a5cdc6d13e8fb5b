/**
 * What goes through the rings between the thread that takes events in and the log's writer.
 *
 *     APPEND    u32 sequence | u32 partition | u32 events | u32 originBytes | f64 receivedAtMs
 *               | origin, UTF-8 | lines, each ended by 0x0a                        main -> writer
 *     ACK       u32 throughSequence                                               writer -> main
 *     NACK      u32 fromSequence | u32 throughSequence | code, ASCII              writer -> main
 *
 * The origin is the project, and for a traced request a NUL and its traceparent.
 * u32 is little-endian, f64 in the machine's order. Sequences count APPEND frames and wrap at 2^32.
 * ACK answers all frames up to throughSequence that are not answered yet, NACK those of its range.
 */

/** Frame kinds. */
export const FRAME_APPEND = 1;
export const FRAME_ACK = 2;
export const FRAME_NACK = 3;

/** Bytes of an APPEND frame before the origin. */
export const APPEND_HEADER_BYTES = 24;
/** Bytes of an ACK frame. */
export const ACK_BYTES = 4;
/** Bytes of a NACK frame before the code. */
const NACK_HEADER_BYTES = 8;

const decoder = new TextDecoder();
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

/** Whose lines a frame has, and of which trace. */
export interface AppendOrigin {
  readonly project: string;
  /** Null = of none. */
  readonly traceparent: string | null;
}

/** The text of an origin; a project's name has no NUL. */
export function originText({ project, traceparent }: AppendOrigin): string {
  return traceparent === null ? project : `${project}\0${traceparent}`;
}

/** What the text of an origin says. */
export function readOrigin(text: string): AppendOrigin {
  const [project, traceparent = null] = text.split("\0");
  return { project, traceparent };
}

/** The header of an APPEND frame; one object, used again for every frame. */
export class AppendHeader {
  sequence = 0;
  partition = 0;
  events = 0;
  receivedAtMs = 0;
  /** Where the origin and the lines lie in the payload that was read. */
  originStart = 0;
  originEnd = 0;
}

/** Writes header and origin; returns where the lines begin. Allocates nothing. */
export function writeAppendHeader(
  payload: Uint8Array,
  sequence: number,
  partition: number,
  events: number,
  receivedAtMs: number,
  origin: Uint8Array,
): number {
  writeU32(payload, 0, sequence);
  writeU32(payload, 4, partition);
  writeU32(payload, 8, events);
  writeU32(payload, 12, origin.length);
  float[0] = receivedAtMs;
  payload.set(floatBytes, 16);
  payload.set(origin, APPEND_HEADER_BYTES);
  return APPEND_HEADER_BYTES + origin.length;
}

/** Reads the header of an APPEND payload into `out`; the lines go from out.originEnd to the end. */
export function readAppendHeader(payload: Uint8Array, out: AppendHeader): void {
  out.sequence = readU32(payload, 0);
  out.partition = readU32(payload, 4);
  out.events = readU32(payload, 8);
  out.originStart = APPEND_HEADER_BYTES;
  out.originEnd = APPEND_HEADER_BYTES + readU32(payload, 12);
  for (let i = 0; i < 8; i++) floatBytes[i] = payload[16 + i];
  out.receivedAtMs = float[0];
}

/** An ACK payload. */
export function encodeAck(throughSequence: number): Uint8Array {
  const payload = new Uint8Array(ACK_BYTES);
  writeU32(payload, 0, throughSequence);
  return payload;
}

/** A NACK payload. */
export function encodeNack(
  fromSequence: number,
  throughSequence: number,
  code: string,
): Uint8Array {
  const payload = new Uint8Array(NACK_HEADER_BYTES + code.length);
  writeU32(payload, 0, fromSequence);
  writeU32(payload, 4, throughSequence);
  for (let i = 0; i < code.length; i++) payload[NACK_HEADER_BYTES + i] = code.charCodeAt(i);
  return payload;
}

/** The throughSequence of an ACK payload. */
export function readAck(payload: Uint8Array): number {
  return readU32(payload, 0);
}

/** A NACK payload's content. */
export function readNack(
  payload: Uint8Array,
): { fromSequence: number; throughSequence: number; code: string } {
  return {
    fromSequence: readU32(payload, 0),
    throughSequence: readU32(payload, 4),
    // slice(): decode() refuses views of shared memory.
    code: decoder.decode(payload.slice(NACK_HEADER_BYTES)),
  };
}

/** The sequence after `sequence`. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) >>> 0;
}

/** Whether `sequence` is answered by an answer through `through`, around the wrap as well. */
export function isThrough(sequence: number, through: number): boolean {
  return ((through - sequence) | 0) >= 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
