/**
 * Rows for tests of a PartitionStore: events as plain objects, and the RowBatch that holds them,
 * with the hashes, sources and byte ranges a shard would have made.
 */
import type {
  PartitionCommit,
  RowBatch,
  Series,
  StoredEvent,
} from "../../lib/store/event_store.ts";
import { createRowBatch } from "../../lib/store/row_batch.ts";

/** One row as a test writes it down. */
export interface TestRow {
  readonly id: string;
  readonly userId: string;
  readonly project: string;
  readonly type: string;
  /** Null: derived; then `derivedSession` names it. */
  readonly sessionId: string | null;
  readonly derivedSession: string;
  readonly category: number;
  readonly timestampMs: number;
  readonly receivedAtMs: number;
  readonly source: string | null;
  readonly properties: string | null;
  readonly amount: number | null;
}

export const BASE_MS = Date.UTC(2024, 0, 15, 12);

const encoder = new TextEncoder();

/** A row of which a test only says what matters to it. */
export function testRow(i: number, given: Partial<TestRow> = {}): TestRow {
  return {
    id: `event-${i}`,
    userId: `user-${i % 7}`,
    project: "shop",
    type: ["page_view", "purchase", "signup"][i % 3],
    sessionId: null,
    derivedSession: `derived-${i % 7}`,
    category: 1 + i % 4,
    timestampMs: BASE_MS + i * 10,
    receivedAtMs: BASE_MS + i * 10 + 3,
    source: i % 2 === 0 ? "web" : null,
    properties: `{"n":${i}}`,
    amount: i % 5 === 0 ? i + 0.25 : null,
    ...given,
  };
}

/** `count` rows that differ from one another. */
export function testRows(count: number, firstIndex = 0): TestRow[] {
  return Array.from({ length: count }, (_, i) => testRow(firstIndex + i));
}

/** Series by project and type, numbered as they come: what a shard's series table does. */
export class TestSeries {
  readonly all: Series[] = [];
  #taken = 0;

  idOf(project: string, type: string | null): number {
    const known = this.all.find((s) => s.project === project && s.type === type);
    if (known !== undefined) return known.id;
    this.all.push({ id: this.all.length, project, type });
    return this.all.length - 1;
  }

  /** Those interned since the last call. */
  takeNew(): Series[] {
    const fresh = this.all.slice(this.#taken);
    this.#taken = this.all.length;
    return fresh;
  }
}

/** A 64-bit hash of a text as [low, high]: FNV-1a twice, good enough to be unique in a test. */
export function testHash(text: string): [low: number, high: number] {
  let low = 0x811c9dc5, high = 0x01234567;
  for (const byte of encoder.encode(text)) {
    low = Math.imul(low ^ byte, 0x01000193) >>> 0;
    high = Math.imul(high ^ byte ^ (low >>> 7), 0x01000193) >>> 0;
  }
  return [low, high];
}

/** The batch of `rows`; every `rowsPerSource` rows share one buffer. */
export function batchOf(
  rows: readonly TestRow[],
  firstSeq: number,
  series: TestSeries,
  rowsPerSource = 100,
): RowBatch {
  const batch = createRowBatch(Math.max(1, rows.length));
  batch.count = rows.length;
  batch.firstSeq = firstSeq;
  for (let from = 0; from < rows.length; from += rowsPerSource) {
    const parts: Uint8Array[] = [];
    let length = 0;
    const put = (text: string | null, starts: Int32Array, ends: Int32Array, at: number) => {
      const bytes = text === null ? null : encoder.encode(text);
      starts[at] = bytes === null ? -1 : length;
      ends[at] = bytes === null ? -1 : length + bytes.length;
      if (bytes === null) return;
      // A byte that belongs to nobody, so that a range off by one shows.
      parts.push(bytes, new Uint8Array([0x23]));
      length += bytes.length + 1;
    };
    const to = Math.min(rows.length, from + rowsPerSource);
    for (let at = from; at < to; at++) {
      const row = rows[at];
      batch.sourceOf[at] = batch.sources.length;
      putNumbers(batch, at, row, series);
      // Not in the order of the columns: a store may not count on any.
      put(row.properties, batch.propertiesStart, batch.propertiesEnd, at);
      put(row.userId, batch.userStart, batch.userEnd, at);
      put(row.sessionId, batch.sessionStart, batch.sessionEnd, at);
      put(row.id, batch.idStart, batch.idEnd, at);
      put(row.source, batch.sourceStart, batch.sourceEnd, at);
    }
    batch.sources.push(concat(parts, length));
  }
  return batch;
}

/** A commit of `rows`, with the new series of theirs. */
export function commitOf(
  rows: readonly TestRow[],
  firstSeq: number,
  series: TestSeries,
  given: Partial<PartitionCommit> = {},
): PartitionCommit {
  const batch = batchOf(rows, firstSeq, series);
  return {
    rows: batch,
    nextOffset: firstSeq + rows.length,
    nextSeq: firstSeq + rows.length,
    lastReceivedAtMs: rows.at(-1)?.receivedAtMs ?? BASE_MS,
    recentSinceMs: 0,
    newSeries: series.takeNew(),
    delta: null,
    ...given,
  };
}

/** What a store must give back for `row`. */
export function storedOf(row: TestRow, seq: number): StoredEvent {
  const [low, high] = testHash(row.derivedSession);
  const hex = high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  return {
    seq,
    id: row.id,
    userId: row.userId,
    type: row.type,
    category: row.category,
    timestampMs: row.timestampMs,
    receivedAtMs: row.receivedAtMs,
    sessionId: row.sessionId ?? hex,
    sessionHash: testHash(row.sessionId ?? row.derivedSession),
    source: row.source,
    properties: row.properties ?? "{}",
    amount: row.amount,
  };
}

function putNumbers(batch: RowBatch, at: number, row: TestRow, series: TestSeries): void {
  batch.series[at] = series.idOf(row.project, row.type);
  batch.category[at] = row.category;
  batch.amount[at] = row.amount ?? NaN;
  putInt64(batch.timestampMs, at, row.timestampMs);
  putInt64(batch.receivedAtMs, at, row.receivedAtMs);
  batch.idHash.set(testHash(`${row.project} ${row.id}`), 2 * at);
  batch.userHash.set(testHash(`${row.project} ${row.userId}`), 2 * at);
  batch.sessionHash.set(testHash(row.sessionId ?? row.derivedSession), 2 * at);
}

function putInt64(words: Uint32Array, at: number, value: number): void {
  words[2 * at] = value >>> 0;
  words[2 * at + 1] = Math.floor(value / 2 ** 32);
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
