/**
 * What a shard tells the main thread after each round of work, as a frame of the shard's ring: how
 * far it has come and what became of the events, so that lag, rates and per-type counters are known
 * without asking.
 *
 * Payload (little endian):
 *
 *     u32 partition | u32 processed | u32 duplicates | u32 evicted
 *     f64 applied offset | f64 stored offset | f64 watermark ms | f64 last received ms
 *     f64 commit ms (0 = no commit) | u32 committed rows | u32 entries | f64 high water
 *     then per entry: u32 count | u16 kind | u16 bytes | name UTF-8
 *
 * Kinds of entries: 0 event type, 1 reason of a refusal, 2 reason of a dead letter.
 */
import { decodeUtf8, encodeUtf8 } from "../event/text_coding.ts";

export const PROGRESS_FRAME = 1;
/** A frame of live partials (lib/live/live_partial.ts) in the same ring. */
export const LIVE_FRAME = 2;
const HEADER_BYTES = 72;
const ENTRY_BYTES = 8;

export interface Progress {
  readonly partition: number;
  readonly processed: number;
  readonly duplicates: number;
  /** Ids or users forgotten early since the start, because memory was full. */
  readonly evicted: number;
  /** Next offset of the log, as the shard knows it. */
  readonly highWater: number;
  readonly appliedOffset: number;
  readonly storedOffset: number;
  readonly watermarkMs: number;
  readonly lastReceivedAtMs: number;
  readonly commitMs: number;
  readonly committedRows: number;
  /** Stored events by type. */
  readonly types: ReadonlyMap<string, number>;
  /** Refused lines by reason. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Lines that were set aside, by reason; they are durable as dead letters. */
  readonly deadLetters: ReadonlyMap<string, number>;
}

/** The payload of a PROGRESS_FRAME. */
export function encodeProgress(progress: Progress): Uint8Array {
  const entries: [number, number, Uint8Array][] = [];
  for (const [name, count] of progress.types) entries.push([count, 0, encodeUtf8(name)]);
  for (const [name, count] of progress.refusals) entries.push([count, 1, encodeUtf8(name)]);
  for (const [name, count] of progress.deadLetters) entries.push([count, 2, encodeUtf8(name)]);
  const size = entries.reduce((sum, [, , name]) => sum + ENTRY_BYTES + name.length, HEADER_BYTES);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, progress.partition, true);
  view.setUint32(4, progress.processed, true);
  view.setUint32(8, progress.duplicates, true);
  view.setUint32(12, progress.evicted, true);
  view.setFloat64(16, progress.appliedOffset, true);
  view.setFloat64(24, progress.storedOffset, true);
  view.setFloat64(32, progress.watermarkMs, true);
  view.setFloat64(40, progress.lastReceivedAtMs, true);
  view.setFloat64(48, progress.commitMs, true);
  view.setUint32(56, progress.committedRows, true);
  view.setUint32(60, entries.length, true);
  view.setFloat64(64, progress.highWater, true);
  let at = HEADER_BYTES;
  for (const [count, kind, name] of entries) {
    view.setUint32(at, count, true);
    view.setUint16(at + 4, kind, true);
    view.setUint16(at + 6, name.length, true);
    out.set(name, at + ENTRY_BYTES);
    at += ENTRY_BYTES + name.length;
  }
  return out;
}

/** Reads what encodeProgress wrote; the names are copied, so the frame can be released. */
export function decodeProgress(bytes: Uint8Array): Progress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const types = new Map<string, number>();
  const refusals = new Map<string, number>();
  const deadLetters = new Map<string, number>();
  const byKind = [types, refusals, deadLetters];
  let at = HEADER_BYTES;
  for (let left = view.getUint32(60, true); left > 0; left--) {
    const length = view.getUint16(at + 6, true);
    const name = decodeUtf8(bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + length));
    byKind[view.getUint16(at + 4, true)].set(name, view.getUint32(at, true));
    at += ENTRY_BYTES + length;
  }
  return {
    partition: view.getUint32(0, true),
    processed: view.getUint32(4, true),
    duplicates: view.getUint32(8, true),
    evicted: view.getUint32(12, true),
    highWater: view.getFloat64(64, true),
    appliedOffset: view.getFloat64(16, true),
    storedOffset: view.getFloat64(24, true),
    watermarkMs: view.getFloat64(32, true),
    lastReceivedAtMs: view.getFloat64(40, true),
    commitMs: view.getFloat64(48, true),
    committedRows: view.getUint32(56, true),
    types,
    refusals,
    deadLetters,
  };
}
