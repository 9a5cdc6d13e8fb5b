/**
 * A live partial: what one partition's commits changed in the rollups within about a second, the
 * names of the series it speaks of, and the offsets of the log that it covers. Whoever adds up all
 * partials of a partition, each once, has what its shard has counted; the offsets tell a repeated
 * partial from a new one, and show what is missing.
 *
 * One partial is one frame, or several where it would be longer than a frame may be: its cells are
 * dealt out then, and the frames bear the same offsets and say `part` of `parts`. A partial whose
 * two offsets are equal changes nothing: the partition is there, and this is its place.
 *
 * Encoded (little endian), described for other consumers in docs/METRICS_DATA.md:
 *
 *     byte  0  u8[4] "RTAL" | u32 version = 1 | u32 CRC-32 of all bytes from 12 on
 *     byte 12  u32 partition
 *     byte 16  f64 from offset | f64 to offset
 *     byte 32  f64 published at | f64 first received at | f64 last received at | f64 complete until
 *     byte 64  u16 part | u16 parts | u32 series | u32 deltas
 *     byte 76  per series: u32 id | u16 project bytes | u16 type bytes | project | type   (UTF-8)
 *              per delta:  u32 bytes | a rollup delta (lib/rollup/rollup_delta.ts)
 */
import { LIVE_PARTIAL_BYTES_LEAST } from "../config/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../event/text_coding.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { crc32 } from "./crc32.ts";
import {
  DELTA_HEADER_BYTES,
  type EncodedCell,
  encodedCells,
  writeDeltaHeader,
} from "./encoded_cells.ts";

/** The version of the frames written and read here. */
export const LIVE_PARTIAL_VERSION = 1;

const MAGIC = [0x52, 0x54, 0x41, 0x4c];
const CRC_AT = 8;
const CHECKED_FROM = 12;
const HEADER_BYTES = 76;
const SERIES_HEADER_BYTES = 8;
const PARTS_MAX = 0xffff;
const NAME_BYTES_MAX = 0xffff;
/** Most events that a frame can add to a series: as a slot of live_series.ts can hold. */
const EVENTS_MAX = 0xffff_ffff;

/** The names of a series: a project and an event type. */
export interface LiveSeriesName {
  readonly project: string;
  readonly type: string;
}

/** What a partial says beside its cells. */
export interface LivePartialHead {
  readonly partition: number;
  /** The partial covers the log from here ... */
  readonly fromOffset: number;
  /** ... up to here, this one not included. */
  readonly toOffset: number;
  /** By the publisher's clock, ms since the epoch, as all times here. */
  readonly publishedAtMs: number;
  /** Arrival of the oldest record covered; 0 = none. */
  readonly firstReceivedAtMs: number;
  /** Arrival of the newest record covered; 0 = none. */
  readonly lastReceivedAtMs: number;
  /** What the partition received before this is in this partial or in earlier ones; 0 = unknown. */
  readonly completeUntilMs: number;
}

/** A partial to be encoded. */
export interface LivePartialInput extends LivePartialHead {
  /** As RollupDelta.encode() wrote them; the same cell may stand in several. */
  readonly deltas: readonly Uint8Array[];
  /** Names the series of the deltas' cells. */
  readonly seriesOf: (series: number) => LiveSeriesName;
}

/** What a frame adds to one series. */
export interface LiveSeriesChange extends LiveSeriesName {
  /** The publishing partition's own number of the series. */
  readonly id: number;
  /** Of all its cells. */
  events: number;
  /** Of all its cells. */
  readonly users: HyperLogLog;
}

/** One frame, read. */
export interface LivePartial extends LivePartialHead {
  readonly version: 1;
  /** Counted from 0. */
  readonly part: number;
  readonly parts: number;
  readonly series: readonly LiveSeriesChange[];
  /**
   * What the changes of the series were read from, for whoever wants the cells themselves: to be
   * read with RollupDelta.decode() and added up. They lie in the frame's own bytes.
   */
  readonly deltas: readonly Uint8Array[];
}

/** Neighbouring cells of one delta. */
interface CellRun {
  readonly delta: Uint8Array;
  readonly start: number;
  end: number;
  cells: number;
}

interface Frame {
  bytes: number;
  readonly series: Map<number, EncodedNames>;
  readonly runs: CellRun[];
}

interface EncodedNames {
  readonly project: Uint8Array;
  readonly type: Uint8Array;
}

/**
 * The partial's frames, none longer than `bytesMax` (at least LIVE_PARTIAL_BYTES_LEAST). Throws
 * RangeError when a delta is none.
 */
export function encodeLivePartials(input: LivePartialInput, bytesMax: number): Uint8Array[] {
  if (bytesMax < LIVE_PARTIAL_BYTES_LEAST) {
    throw new RangeError(`frames of ${bytesMax} bytes are too short for a cell`);
  }
  const frames = dealOut(input, bytesMax);
  if (frames.length > PARTS_MAX) throw new RangeError(`${frames.length} frames are too many`);
  return frames.map((frame, part) => writeFrame(input, frame, part, frames.length));
}

/** Fills one frame after the other with cells, in their order. */
function dealOut(input: LivePartialInput, bytesMax: number): Frame[] {
  const names = new Map<number, EncodedNames>();
  let frame: Frame = { bytes: HEADER_BYTES, series: new Map(), runs: [] };
  const frames = [frame];
  for (const delta of input.deltas) {
    let run: CellRun | null = null;
    for (const { series, start, end } of encodedCells(delta)) {
      const name = names.get(series) ?? encodeNames(input.seriesOf(series));
      names.set(series, name);
      const nameBytes = SERIES_HEADER_BYTES + name.project.length + name.type.length;
      let more = end - start + (run === null ? 4 + DELTA_HEADER_BYTES : 0) +
        (frame.series.has(series) ? 0 : nameBytes);
      if (frame.bytes + more > bytesMax && frame.runs.length > 0) {
        frames.push(frame = { bytes: HEADER_BYTES, series: new Map(), runs: [] });
        run = null;
        more = end - start + 4 + DELTA_HEADER_BYTES + nameBytes;
      }
      if (frame.bytes + more > bytesMax) {
        throw new RangeError(`a cell of ${end - start} bytes does not fit into ${bytesMax}`);
      }
      frame.bytes += more;
      frame.series.set(series, name);
      if (run === null) frame.runs.push(run = { delta, start, end, cells: 0 });
      run.end = end;
      run.cells++;
    }
  }
  return frames;
}

function encodeNames({ project, type }: LiveSeriesName): EncodedNames {
  const names = { project: encodeUtf8(project), type: encodeUtf8(type) };
  if (Math.max(names.project.length, names.type.length) > NAME_BYTES_MAX) {
    throw new RangeError("a series has too long a name");
  }
  return names;
}

function writeFrame(
  head: LivePartialHead,
  frame: Frame,
  part: number,
  parts: number,
): Uint8Array {
  const out = new Uint8Array(frame.bytes);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  view.setUint32(4, LIVE_PARTIAL_VERSION, true);
  view.setUint32(12, head.partition, true);
  view.setFloat64(16, head.fromOffset, true);
  view.setFloat64(24, head.toOffset, true);
  view.setFloat64(32, head.publishedAtMs, true);
  view.setFloat64(40, head.firstReceivedAtMs, true);
  view.setFloat64(48, head.lastReceivedAtMs, true);
  view.setFloat64(56, head.completeUntilMs, true);
  view.setUint16(64, part, true);
  view.setUint16(66, parts, true);
  view.setUint32(68, frame.series.size, true);
  view.setUint32(72, frame.runs.length, true);
  let at = HEADER_BYTES;
  for (const [id, { project, type }] of frame.series) {
    view.setUint32(at, id, true);
    view.setUint16(at + 4, project.length, true);
    view.setUint16(at + 6, type.length, true);
    out.set(project, at + SERIES_HEADER_BYTES);
    out.set(type, at + SERIES_HEADER_BYTES + project.length);
    at += SERIES_HEADER_BYTES + project.length + type.length;
  }
  for (const { delta, start, end, cells } of frame.runs) {
    view.setUint32(at, DELTA_HEADER_BYTES + end - start, true);
    writeDeltaHeader(view, at + 4, cells);
    out.set(delta.subarray(start, end), at + 4 + DELTA_HEADER_BYTES);
    at += 4 + DELTA_HEADER_BYTES + end - start;
  }
  view.setUint32(CRC_AT, crc32(out, CHECKED_FROM), true);
  return out;
}

/**
 * Reads one frame; all but `deltas` is copied out of `bytes`. Throws RangeError, with what is wrong,
 * on frames of another version and on damaged ones, so that what it returns can be added up.
 */
export function decodeLivePartial(bytes: Uint8Array): LivePartial {
  if (bytes.length < CHECKED_FROM || MAGIC.some((byte, at) => bytes[at] !== byte)) {
    throw new RangeError("these bytes are not a live partial: they do not begin with RTAL");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(4, true);
  if (version !== LIVE_PARTIAL_VERSION) {
    throw new RangeError(
      `a live partial of version ${version}; this reader knows version ${LIVE_PARTIAL_VERSION}`,
    );
  }
  if (bytes.length < HEADER_BYTES) throw damaged("the header is cut short");
  if (view.getUint32(CRC_AT, true) !== crc32(bytes, CHECKED_FROM)) {
    throw damaged("the checksum does not fit the bytes");
  }
  const partial = {
    version: LIVE_PARTIAL_VERSION,
    partition: view.getUint32(12, true),
    fromOffset: view.getFloat64(16, true),
    toOffset: view.getFloat64(24, true),
    publishedAtMs: view.getFloat64(32, true),
    firstReceivedAtMs: view.getFloat64(40, true),
    lastReceivedAtMs: view.getFloat64(48, true),
    completeUntilMs: view.getFloat64(56, true),
    part: view.getUint16(64, true),
    parts: view.getUint16(66, true),
    ...readBody(bytes, view),
  } as const;
  checkHead(partial);
  return partial;
}

function readBody(bytes: Uint8Array, view: DataView): Pick<LivePartial, "series" | "deltas"> {
  const series = new Map<number, LiveSeriesChange>();
  const deltas: Uint8Array[] = [];
  let at = HEADER_BYTES;
  /** The next so many bytes. */
  const take = (length: number) => {
    if (at + length > bytes.length) throw damaged("it is cut short");
    return bytes.subarray(at, at += length);
  };
  for (let left = view.getUint32(68, true); left > 0; left--) {
    const place = at;
    take(SERIES_HEADER_BYTES);
    const id = view.getUint32(place, true);
    const project = readName(take(view.getUint16(place + 4, true)));
    const type = readName(take(view.getUint16(place + 6, true)));
    series.set(id, { id, project, type, events: 0, users: new HyperLogLog() });
  }
  for (let left = view.getUint32(72, true); left > 0; left--) {
    const place = at;
    take(4);
    const delta = take(view.getUint32(place, true));
    addCells(delta, series);
    deltas.push(delta);
  }
  if (at !== bytes.length) throw damaged("bytes follow its last delta");
  return { series: [...series.values()], deltas };
}

function readName(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    throw damaged("a name is not UTF-8", cause);
  }
}

/** Adds the events and users of a delta's cells to their series. */
function addCells(delta: Uint8Array, series: ReadonlyMap<number, LiveSeriesChange>): void {
  let cells: EncodedCell[];
  try {
    cells = encodedCells(delta);
  } catch (cause) {
    throw damaged("a rollup delta can't be read", cause);
  }
  for (const { series: id, events, usersStart, usersEnd } of cells) {
    const change = series.get(id);
    if (change === undefined) throw damaged("a cell's series has no name");
    if (!Number.isInteger(events) || events < 0) throw damaged(`a cell has ${events} events`);
    change.events += events;
    if (change.events > EVENTS_MAX) throw damaged(`a series has ${change.events} events`);
    try {
      change.users.mergeEncoded(delta.subarray(usersStart, usersEnd));
    } catch (cause) {
      throw damaged("the users of a cell can't be read", cause);
    }
  }
}

function checkHead(partial: LivePartial): void {
  const { fromOffset, toOffset, part, parts, deltas } = partial;
  const isRange = Number.isSafeInteger(fromOffset) && Number.isSafeInteger(toOffset) &&
    fromOffset >= 0 && fromOffset <= toOffset;
  if (!isRange) throw damaged(`it covers the offsets from ${fromOffset} to ${toOffset}`);
  if (part >= parts) throw damaged(`it is part ${part} of ${parts}`);
  if (fromOffset === toOffset && (parts > 1 || deltas.length > 0)) {
    throw damaged("it covers no offset and changes something");
  }
  const { publishedAtMs, firstReceivedAtMs, lastReceivedAtMs, completeUntilMs } = partial;
  for (const time of [publishedAtMs, firstReceivedAtMs, lastReceivedAtMs, completeUntilMs]) {
    if (!Number.isSafeInteger(Math.trunc(time)) || time < 0) throw damaged(`its time is ${time}`);
  }
}

function damaged(detail: string, cause?: unknown): RangeError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new RangeError(`a damaged live partial: ${detail}${why}`, { cause });
}
