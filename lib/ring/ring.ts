/**
 * Rings: frames of bytes from one thread to another through shared memory, in order, without copies
 * by the runtime and without a call into it while both sides are busy.
 *
 *     const ring = createRing(1 << 20);                    // hand it to a worker by postMessage
 *     const writer = new RingWriter(ring);                 // thread A
 *     if (!writer.tryWrite(KIND, payload)) await writer.waitWritable(payload.length);
 *
 *     const reader = new RingReader(ring);                 // thread B
 *     while (reader.waitReadableSync(Infinity)) {
 *       handle(reader.kind, reader.view);                  // in place, until release
 *       reader.release();
 *     }
 *
 * The picture of the memory, and why no wake-up is lost, stand in ring_layout.ts.
 */
export { createRing, RING_BYTES_MAX, RING_BYTES_MIN, RingError } from "./ring_layout.ts";
export type { RingErrorCode } from "./ring_layout.ts";
export { RingReader } from "./ring_reader.ts";
export { RingWriter } from "./ring_writer.ts";
