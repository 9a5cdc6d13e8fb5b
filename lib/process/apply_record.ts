/**
 * The way of one log record into a partition's memory, step by step: each line is scanned, refused
 * if it is no event, dropped if its id was seen in the window, given its session, counted in the
 * rollup delta and noted as a row. No object is made per event; a row is numbers in typed arrays
 * and byte ranges of the record's own buffer.
 */
import type { CanonicalEvent } from "../event/event.ts";
import type { EventReasonCode, ReasonCode } from "../event/reasons.ts";
import { ID_CHARS_MAX } from "../config/limits.ts";
import { EventScan, SCAN_COMPLETE, scanEvent } from "../event/scan.ts";
import { encodeUtf8 } from "../event/text_coding.ts";
import { validatePlain } from "../event/validate_plain.ts";
import { linePlace, type LogRecord } from "../log/event_log.ts";
import type { RollupDelta } from "../rollup/rollup_delta.ts";
import { hash64 } from "../sketch/hash64.ts";
import type { RowBatch } from "../store/event_store.ts";
import { growRowBatch, rowBatchCapacity, ROWS_PER_COMMIT_MAX } from "../store/row_batch.ts";
import type { DedupIndex } from "./dedup_index.ts";
import type { HourGrains } from "./hour_grains.ts";
import type { AppliedEvent, EventTap } from "./record_tap.ts";
import type { ProjectEntry, SeriesEntry, SeriesTable } from "./series_table.ts";
import type { SessionIndex } from "./session_index.ts";

/** Room past a full commit, so that the record that fills it still fits whole. */
const ROWS_CAPACITY_MAX = ROWS_PER_COMMIT_MAX + 32_768;
const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
/** Told apart from the project seed, so that ids, users and sessions hash differently. */
export const ID_SALT = 0x51ed270b;
const SESSION_SALT = 0x2545f491;

/** Where a record's events go: the memory of one partition. */
export interface PartitionMemory {
  /** Names events of other producers that have no id: see idOf. */
  readonly topic: string;
  readonly series: SeriesTable;
  readonly dedup: DedupIndex;
  readonly sessions: SessionIndex;
  readonly grains: HourGrains;
  /** False: of the rows only the numbers are noted, and no record is needed after it was applied. */
  readonly keepsRows: boolean;
  rows: RowBatch;
  delta: RollupDelta;
  /** Is told of each new event of the record that is being applied. */
  tap: EventTap | null;
}

/** What became of the events since the last report. */
export interface ApplyCounts {
  processed: number;
  duplicates: number;
  /** Newest event time, ms since the epoch; 0 = no event. */
  maxTimestampMs: number;
  /** Refused lines by reason: in an intact log there are none. */
  readonly rejected: Map<ReasonCode, number>;
  /** Stored events by series id; shorter than the list of series when the last ones had none. */
  readonly bySeries: number[];
}

/** Counts that stand at nothing. */
export function newApplyCounts(): ApplyCounts {
  return {
    processed: 0,
    duplicates: 0,
    maxTimestampMs: 0,
    rejected: new Map(),
    bySeries: [],
  };
}

/** Called with a line that is no event: why, its bytes, and which line of the record it is. */
export type RefusedLine = (
  code: EventReasonCode,
  message: string,
  line: Uint8Array,
  index: number,
) => void;

const scan = new EventScan();
const hashed = new Uint32Array(2);

/** Applies all events of the record. Synchronous; the record's buffer is kept until the commit. */
export function applyRecord(
  memory: PartitionMemory,
  record: LogRecord,
  counts: ApplyCounts,
  refused: RefusedLine,
): void {
  const bytes = record.value;
  const project = memory.series.projectOf(record.project);
  const source = noteSource(memory, bytes);
  if (record.format === "json") {
    const verdict = scanEvent(bytes, 0, bytes.length, record.receivedAtMs, scan);
    if (verdict === SCAN_COMPLETE && isBlank(bytes, scan.end)) {
      applyScanned(memory, project, record.receivedAtMs, bytes, source, counts);
    } else applyOddLine(memory, project, record, bytes, 0, counts, refused);
    return;
  }
  let at = 0;
  let line = 0;
  let lineStart = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte <= SPACE && isWhite(byte)) {
      at++;
      if (byte === NEWLINE) {
        line++;
        lineStart = at;
      }
      continue;
    }
    const verdict = scanEvent(bytes, at, bytes.length, record.receivedAtMs, scan);
    if (verdict === SCAN_COMPLETE && endsLine(bytes, scan.end)) {
      applyScanned(memory, project, record.receivedAtMs, bytes, source, counts);
      at = scan.end + 1;
    } else {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      applyOddLine(memory, project, record, bytes.subarray(lineStart, end), line, counts, refused);
      at = end + 1;
    }
    line++;
    lineStart = at;
  }
}

/** The number by which rows name their bytes. */
function noteSource({ keepsRows, rows }: PartitionMemory, bytes: Uint8Array): number {
  return keepsRows ? rows.sources.push(bytes) - 1 : 0;
}

/** Whether it may stand between lines and around a JSON value (RFC 8259, 2). */
function isWhite(byte: number): boolean {
  return byte === SPACE || byte === NEWLINE || byte === CARRIAGE_RETURN || byte === TAB;
}

function endsLine(bytes: Uint8Array, end: number): boolean {
  return end >= bytes.length || bytes[end] === NEWLINE;
}

/** Whether nothing but white space follows. */
function isBlank(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) {
    if (!isWhite(bytes[at])) return false;
  }
  return true;
}

/** One event whose fields `scan` holds, as ranges of `bytes`. */
function applyScanned(
  memory: PartitionMemory,
  project: ProjectEntry,
  receivedAtMs: number,
  bytes: Uint8Array,
  source: number,
  counts: ApplyCounts,
): void {
  hash64(bytes, scan.idStart, scan.idEnd, project.seed ^ ID_SALT, hashed);
  const idLo = hashed[0], idHi = hashed[1];
  if (!memory.dedup.add(idLo, idHi, receivedAtMs)) {
    counts.duplicates++;
    return;
  }
  hash64(bytes, scan.userStart, scan.userEnd, project.seed, hashed);
  const userLo = hashed[0], userHi = hashed[1];
  if (scan.sessionStart >= 0) {
    hash64(bytes, scan.sessionStart, scan.sessionEnd, project.seed ^ SESSION_SALT, hashed);
  } else memory.sessions.assign(userLo, userHi, scan.timestampMs, receivedAtMs, hashed);
  const series = memory.series.seriesOf(project, bytes, scan.typeStart, scan.typeEnd);
  const wholeHour = memory.grains.isWholeFor(scan.timestampMs, receivedAtMs);
  const cell = memory.delta.cellAt(series.rollup, scan.timestampMs, wholeHour);
  cell.add(scan.timestampMs, userLo, userHi, hashed[0], hashed[1], scan.amount);

  const rows = memory.rows;
  if (rows.count === rowBatchCapacity(rows) && !growRowBatch(rows, ROWS_CAPACITY_MAX)) {
    throw new Error(`a record holds more than ${ROWS_CAPACITY_MAX - ROWS_PER_COMMIT_MAX} events`);
  }
  const row = rows.count++;
  rows.series[row] = series.id;
  rows.category[row] = scan.category;
  setInt64(rows.timestampMs, row, scan.timestampMs);
  setInt64(rows.receivedAtMs, row, receivedAtMs);
  rows.idHash[2 * row] = idLo;
  rows.idHash[2 * row + 1] = idHi;
  rows.userHash[2 * row] = userLo;
  rows.userHash[2 * row + 1] = userHi;
  rows.sessionHash[2 * row] = hashed[0];
  rows.sessionHash[2 * row + 1] = hashed[1];
  rows.amount[row] = scan.amount;
  if (memory.keepsRows) {
    rows.sourceOf[row] = source;
    noteStrings(rows, row);
  } else rows.sessionStart[row] = scan.sessionStart;
  counts.processed++;
  if (scan.timestampMs > counts.maxTimestampMs) counts.maxTimestampMs = scan.timestampMs;
  const { bySeries } = counts;
  while (bySeries.length <= series.id) bySeries.push(0);
  bySeries[series.id]++;
  if (memory.tap !== null) tell(memory.tap, bytes, series, receivedAtMs, userLo, userHi);
}

/** Made with the first event that is told of. */
let told: AppliedEvent | null = null;

/** Tells of the event that `scan` holds, and of its session, which `hashed` holds. */
function tell(
  tap: EventTap,
  bytes: Uint8Array,
  series: SeriesEntry,
  receivedAtMs: number,
  userLo: number,
  userHi: number,
): void {
  const [sessionLo, sessionHi] = hashed;
  told ??= { scan, bytes, series, receivedAtMs, userLo, userHi, sessionLo, sessionHi };
  told.bytes = bytes;
  told.series = series;
  told.receivedAtMs = receivedAtMs;
  told.userLo = userLo;
  told.userHi = userHi;
  told.sessionLo = sessionLo;
  told.sessionHi = sessionHi;
  tap.take(told);
}

function noteStrings(rows: RowBatch, row: number): void {
  rows.idStart[row] = scan.idStart;
  rows.idEnd[row] = scan.idEnd;
  rows.userStart[row] = scan.userStart;
  rows.userEnd[row] = scan.userEnd;
  rows.sessionStart[row] = scan.sessionStart;
  rows.sessionEnd[row] = scan.sessionEnd;
  rows.sourceStart[row] = scan.sourceStart;
  rows.sourceEnd[row] = scan.sourceEnd;
  rows.propertiesStart[row] = scan.propertiesStart;
  rows.propertiesEnd[row] = scan.propertiesEnd;
}

/** A line that the scanner does not vouch for: the slow path decides, and unescapes its texts. */
function applyOddLine(
  memory: PartitionMemory,
  project: ProjectEntry,
  record: LogRecord,
  line: Uint8Array,
  index: number,
  counts: ApplyCounts,
  refused: RefusedLine,
): void {
  const { receivedAtMs } = record;
  const makeId = () => idOf(memory.topic, record, index);
  const verdict = validatePlain(line, { receivedAtMs, makeId });
  if (!verdict.ok) {
    const { message } = verdict.rejection;
    const code = verdict.rejection.code as EventReasonCode;
    counts.rejected.set(code, (counts.rejected.get(code) ?? 0) + 1);
    refused(code, message, line, index);
    return;
  }
  const bytes = layOut(verdict.event);
  const source = noteSource(memory, bytes);
  applyScanned(memory, project, record.receivedAtMs, bytes, source, counts);
}

/**
 * The id of an event that has none. Ingest gives every event one, so it is another producer's; its
 * place in the log is the same however often it is read.
 */
function idOf(topic: string, record: LogRecord, index: number): string {
  const { offset, line } = linePlace(record, index);
  const id = `${topic}-${record.partition}-${offset}`;
  return (line === 0 ? id : `${id}-${line}`).slice(-ID_CHARS_MAX);
}

/** Puts the event's texts one after the other and points `scan` at them. */
function layOut(event: CanonicalEvent): Uint8Array {
  const properties = Object.keys(event.properties).length > 0
    ? JSON.stringify(event.properties)
    : null;
  const texts = [event.id, event.userId, event.type, event.sessionId, event.source, properties];
  const parts = texts.map((text) => text === null ? null : encodeUtf8(text));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + (part?.length ?? 0), 0));
  let at = 0;
  const ranges = parts.map((part) => {
    if (part === null) return [-1, -1];
    bytes.set(part, at);
    return [at, at += part.length];
  });
  [scan.idStart, scan.idEnd] = ranges[0];
  [scan.userStart, scan.userEnd] = ranges[1];
  [scan.typeStart, scan.typeEnd] = ranges[2];
  [scan.sessionStart, scan.sessionEnd] = ranges[3];
  [scan.sourceStart, scan.sourceEnd] = ranges[4];
  [scan.propertiesStart, scan.propertiesEnd] = ranges[5];
  scan.timestampMs = event.timestampMs;
  scan.amount = event.amount ?? NaN;
  scan.category = event.category;
  return bytes;
}

function setInt64(pairs: Uint32Array, row: number, value: number): void {
  pairs[2 * row] = value >>> 0;
  pairs[2 * row + 1] = Math.floor(value / 0x1_0000_0000);
}
