/**
 * Finds the lines of a record that make processing throw, by trying each one alone on memory that is
 * thrown away afterwards: a record that failed its shard again and again then costs only those lines.
 */
import type { LogRecord } from "../log/event_log.ts";
import { RollupDelta } from "../rollup/rollup_delta.ts";
import { createRowBatch } from "../store/row_batch.ts";
import { applyRecord, newApplyCounts } from "./apply_record.ts";
import { DedupIndex } from "./dedup_index.ts";
import { HourGrains } from "./hour_grains.ts";
import { SeriesTable } from "./series_table.ts";
import { SessionIndex } from "./session_index.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;
const SCRATCH_BYTES = 1 << 16;
const SCRATCH_SECONDS = 60;

/** One line of a record, or the whole value of one with format "json". */
export interface RecordLine {
  /** Among the lines of the record, from 0. */
  readonly index: number;
  /** Without its newline. */
  readonly bytes: Uint8Array;
}

/** What throws for a line, beside processing itself; tests put a fault here. */
export type LineCheck = (record: LogRecord) => void;

/** The lines of a record, empty ones left out. */
export function linesOf(record: LogRecord): RecordLine[] {
  const { value } = record;
  if (record.format === "json") return [{ index: 0, bytes: value }];
  const lines: RecordLine[] = [];
  for (let at = 0, index = 0; at < value.length; index++) {
    const newline = value.indexOf(NEWLINE, at);
    const end = newline < 0 ? value.length : newline;
    if (end > at) lines.push({ index, bytes: value.subarray(at, end) });
    at = end + 1;
  }
  return lines;
}

/** Those lines of the record that throw when they are processed alone. */
export function findPoison(record: LogRecord, check: LineCheck): RecordLine[] {
  return linesOf(record).filter(({ bytes }) => {
    const alone: LogRecord = { ...record, events: 1, value: bytes, format: "json" };
    try {
      check(alone);
      const memory = {
        topic: "",
        series: new SeriesTable(),
        dedup: new DedupIndex(SCRATCH_SECONDS, SCRATCH_BYTES),
        sessions: new SessionIndex(1, SCRATCH_BYTES),
        grains: new HourGrains(),
        keepsRows: true,
        rows: createRowBatch(1),
        delta: new RollupDelta(),
        tap: null,
      };
      applyRecord(memory, alone, newApplyCounts(), () => {});
      return false;
    } catch {
      // Whatever it throws: that it throws is the finding.
      return true;
    }
  });
}

/** The record without these lines: they are blank now, so that the others keep their places. */
export function withoutLines(record: LogRecord, lines: readonly RecordLine[]): LogRecord {
  if (lines.length === 0) return record;
  const value = record.value.slice();
  for (const { bytes } of lines) {
    const start = bytes.byteOffset - record.value.byteOffset;
    value.fill(SPACE, start, start + bytes.length);
  }
  return { ...record, format: "ndjson", events: record.events - lines.length, value };
}
