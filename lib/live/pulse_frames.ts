/**
 * What a shard tells the main thread about live streams, as frames of its progress ring, all of
 * them within one process. Little endian; `second` is the second since the epoch that was closed.
 *
 *     counts   u32 definition | u32 second | f64 events without the property of `top`
 *              u32 values that were cut | u32 places | u32 types | u32 bytes of users | u32 of top
 *              places: u32 partition | f64 offset before which its events are in now
 *              types: u32 events | u16 bytes | name UTF-8
 *              users (HyperLogLog), top values (TopValues; 0 bytes = nothing asked)
 *     tick     u32 second | u32 ranges, of each: u32 partition | f64 from | f64 to offset
 *              f64 everything received before this is in, ms
 *     tail     u32 definition | u32 events sampled | u32 of these dropped | u32 events that follow
 *              of each: u32 bytes | JSON text UTF-8
 *     start    u32 definition | u32 START_* | u32 second from which on all is counted
 *              with START_PART: a frame of lib/live/live_partial.ts
 *
 * A shard's tick comes after all counts of its second: whoever has the ticks of all shards has all.
 */
import { LIVE_TOP_COUNTERS } from "../config/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../event/text_coding.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { TopValues } from "../sketch/top_values.ts";

/** Kinds of frames in the ring; 1 and 2 are those of lib/process/progress_frame.ts. */
export const COUNTS_FRAME = 3;
export const TICK_FRAME = 4;
export const TAIL_FRAME = 5;
export const START_FRAME = 6;

/** A part of what was not published when it began; more follows. */
export const START_PART = 0;
/** It has begun, and all that was not published before was told. */
export const START_SEEDED = 1;
/** It has begun; of what was before, nothing is told. */
export const START_BEGUN = 2;

const COUNTS_BYTES = 36;
const PLACE_BYTES = 12;
const TYPE_BYTES = 6;
const TICK_BYTES = 8;
const RANGE_BYTES = 28;
const TAIL_BYTES = 16;
const START_BYTES = 12;

/** The matching events of one second of one shard. */
export interface PulseCounts {
  readonly definition: number;
  readonly second: number;
  readonly places: readonly (readonly [partition: number, offset: number])[];
  readonly types: readonly (readonly [type: string, events: number])[];
  readonly users: HyperLogLog;
  readonly top: PulseTop | null;
}

/** The values of one property. */
export interface PulseTop {
  readonly values: TopValues;
  /** Events that have no such property. */
  without: number;
  /** Values that were longer than LIVE_TOP_VALUE_CHARS_MAX. */
  cut: number;
}

/** What a shard went through of one partition until the end of a second. */
export interface PulseRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly completeUntilMs: number;
}

export interface PulseTick {
  readonly second: number;
  readonly ranges: readonly PulseRange[];
}

export interface PulseTail {
  readonly definition: number;
  /** Events that were drawn, those dropped included. */
  readonly sampled: number;
  readonly dropped: number;
  /** JSON texts. */
  readonly events: readonly string[];
}

export interface PulseStart {
  readonly definition: number;
  /** START_PART, START_SEEDED or START_BEGUN. */
  readonly state: number;
  readonly second: number;
  /** A frame of live partials, or nothing. */
  readonly partial: Uint8Array;
}

/** The payload of a COUNTS_FRAME. */
export function encodeCounts(counts: PulseCounts, topBytesMax: number): Uint8Array {
  const { places, users } = counts;
  const types = counts.types.map(([type, events]) => ({ events, name: encodeUtf8(type) }));
  const top = counts.top?.values.encode(topBytesMax) ?? new Uint8Array(0);
  const usersBytes = users.encodedLength;
  const size = types.reduce((sum, { name }) => sum + TYPE_BYTES + name.length, 0) +
    COUNTS_BYTES + places.length * PLACE_BYTES + usersBytes + top.length;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, counts.definition, true);
  view.setUint32(4, counts.second, true);
  view.setFloat64(8, counts.top?.without ?? 0, true);
  view.setUint32(16, counts.top?.cut ?? 0, true);
  view.setUint32(20, places.length, true);
  view.setUint32(24, types.length, true);
  view.setUint32(28, usersBytes, true);
  view.setUint32(32, top.length, true);
  let at = COUNTS_BYTES;
  for (const [partition, offset] of places) {
    view.setUint32(at, partition, true);
    view.setFloat64(at + 4, offset, true);
    at += PLACE_BYTES;
  }
  for (const { events, name } of types) {
    view.setUint32(at, events, true);
    view.setUint16(at + 4, name.length, true);
    out.set(name, at + TYPE_BYTES);
    at += TYPE_BYTES + name.length;
  }
  users.encodeInto(out, at);
  out.set(top, at + usersBytes);
  return out;
}

/** Reads what encodeCounts wrote; nothing of it stays in `bytes`. */
export function decodeCounts(bytes: Uint8Array): PulseCounts {
  const view = viewOf(bytes);
  let at = COUNTS_BYTES;
  const places = times(view.getUint32(20, true), () => {
    const place = [view.getUint32(at, true), view.getFloat64(at + 4, true)] as const;
    at += PLACE_BYTES;
    return place;
  });
  const types = times(view.getUint32(24, true), () => {
    const nameEnd = at + TYPE_BYTES + view.getUint16(at + 4, true);
    const events = view.getUint32(at, true);
    const type = [decodeUtf8(bytes.subarray(at + TYPE_BYTES, nameEnd)), events] as const;
    at = nameEnd;
    return type;
  });
  const usersEnd = at + view.getUint32(28, true);
  const topBytes = view.getUint32(32, true);
  return {
    definition: view.getUint32(0, true),
    second: view.getUint32(4, true),
    places,
    types,
    users: HyperLogLog.decode(bytes.subarray(at, usersEnd)),
    top: topBytes === 0 ? null : {
      values: TopValues.decode(bytes.subarray(usersEnd, usersEnd + topBytes), LIVE_TOP_COUNTERS),
      without: view.getFloat64(8, true),
      cut: view.getUint32(16, true),
    },
  };
}

/** The payload of a TICK_FRAME. */
export function encodeTick({ second, ranges }: PulseTick): Uint8Array {
  const out = new Uint8Array(TICK_BYTES + ranges.length * RANGE_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(0, second, true);
  view.setUint32(4, ranges.length, true);
  ranges.forEach(({ partition, from, to, completeUntilMs }, index) => {
    const at = TICK_BYTES + index * RANGE_BYTES;
    view.setUint32(at, partition, true);
    view.setFloat64(at + 4, from, true);
    view.setFloat64(at + 12, to, true);
    view.setFloat64(at + 20, completeUntilMs, true);
  });
  return out;
}

/** Reads what encodeTick wrote. */
export function decodeTick(bytes: Uint8Array): PulseTick {
  const view = viewOf(bytes);
  let at = TICK_BYTES - RANGE_BYTES;
  const ranges = times(view.getUint32(4, true), () => {
    at += RANGE_BYTES;
    return {
      partition: view.getUint32(at, true),
      from: view.getFloat64(at + 4, true),
      to: view.getFloat64(at + 12, true),
      completeUntilMs: view.getFloat64(at + 20, true),
    };
  });
  return { second: view.getUint32(0, true), ranges };
}

/** The payload of a TAIL_FRAME; `events` are UTF-8 here. */
export function encodeTail(
  tail: Omit<PulseTail, "events"> & { readonly events: readonly Uint8Array[] },
): Uint8Array {
  const { events } = tail;
  const out = new Uint8Array(events.reduce((sum, { length }) => sum + 4 + length, TAIL_BYTES));
  const view = new DataView(out.buffer);
  view.setUint32(0, tail.definition, true);
  view.setUint32(4, tail.sampled, true);
  view.setUint32(8, tail.dropped, true);
  view.setUint32(12, events.length, true);
  let at = TAIL_BYTES;
  for (const event of events) {
    view.setUint32(at, event.length, true);
    out.set(event, at + 4);
    at += 4 + event.length;
  }
  return out;
}

/** Reads what encodeTail wrote; nothing of it stays in `bytes`. */
export function decodeTail(bytes: Uint8Array): PulseTail {
  const view = viewOf(bytes);
  let at = TAIL_BYTES;
  const events = times(view.getUint32(12, true), () => {
    const start = at + 4;
    at = start + view.getUint32(at, true);
    return decodeUtf8(bytes.subarray(start, at));
  });
  return {
    definition: view.getUint32(0, true),
    sampled: view.getUint32(4, true),
    dropped: view.getUint32(8, true),
    events,
  };
}

/** The payload of a START_FRAME. */
export function encodeStart({ definition, state, second, partial }: PulseStart): Uint8Array {
  const out = new Uint8Array(START_BYTES + partial.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, definition, true);
  view.setUint32(4, state, true);
  view.setUint32(8, second, true);
  out.set(partial, START_BYTES);
  return out;
}

/** Reads what encodeStart wrote; `partial` lies in `bytes`. */
export function decodeStart(bytes: Uint8Array): PulseStart {
  const view = viewOf(bytes);
  return {
    definition: view.getUint32(0, true),
    state: view.getUint32(4, true),
    second: view.getUint32(8, true),
    partial: bytes.subarray(START_BYTES),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
