/**
 * What lies in the DuckDB files of a stopped server, read by the plain client and not by the
 * platform's own code, and what the answers of a running one must therefore be.
 */
import assert from "node:assert/strict";
import { DuckDBInstance } from "@duckdb/node-api";
import { waitUntil } from "./deadline.ts";
import type { Load, SentEvent } from "./load.ts";

/** One row of the events table. */
export interface StoredRow {
  readonly partition: number;
  /** Place in the partition, in the order of the log. */
  readonly seq: number;
  readonly id: string;
  readonly userId: string;
  readonly type: string;
  readonly timestampMs: number;
  readonly userHash: string;
  readonly sessionHash: string;
  readonly sessionId: string | null;
  readonly amount: number | null;
}

const ROWS_SQL = `
  SELECT e.seq::DOUBLE AS seq, e.id AS id, e.user_id AS "userId", s.type AS type,
    epoch_ms(e.timestamp)::DOUBLE AS "timestampMs", e.user_hash::VARCHAR AS "userHash",
    e.session_hash::VARCHAR AS "sessionHash", e.session_id AS "sessionId", e.amount AS amount
  FROM events e LEFT JOIN series s ON s.id = e.series_id ORDER BY e.seq`;

/** All rows of all partitions, by partition and seq. The server must have stopped. */
export async function readStoredRows(dataFolder: string): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  const files = [...Deno.readDirSync(dataFolder)].map(({ name }) => name)
    .filter((name) => /^events-\d+\.duckdb$/.test(name)).sort();
  for (const name of files) {
    const partition = Number(name.slice("events-".length, -".duckdb".length));
    const instance = await DuckDBInstance.create(`${dataFolder}/${name}`, {
      access_mode: "READ_ONLY",
    });
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(ROWS_SQL);
    for (const row of result.getRowObjectsJS()) {
      rows.push({ partition, ...row } as unknown as StoredRow);
    }
    connection.closeSync();
    instance.closeSync();
  }
  return rows;
}

/** Every confirmed event is stored once, as it was sent, and nothing is stored that was not sent. */
export function assertStoredOnce(rows: readonly StoredRow[], load: Load): void {
  const count = new Map<string, number>();
  const partitionOfUser = new Map<string, number>();
  for (const row of rows) {
    count.set(row.id, (count.get(row.id) ?? 0) + 1);
    assertIsSent(row, load.sent.get(row.id));
    const { userId } = row;
    const known = partitionOfUser.get(userId) ?? row.partition;
    assert.equal(row.partition, known, `${userId} is in two partitions`);
    partitionOfUser.set(userId, known);
  }
  const lost = [...load.confirmed].filter((id) => !count.has(id));
  const twice = [...count].filter(([, times]) => times > 1).map(([id]) => id);
  assert.deepEqual(lost.slice(0, 10), [], `${lost.length} confirmed events are not stored`);
  assert.deepEqual(twice.slice(0, 10), [], `${twice.length} events are stored more than once`);
}

function assertIsSent(row: StoredRow, sent: SentEvent | undefined): void {
  const { id, userId, type, timestampMs, sessionId, amount } = row;
  const isSame = id === sent?.id && userId === sent.userId && type === sent.type &&
    timestampMs === sent.timestampMs && sessionId === sent.sessionId && amount === sent.amount;
  // Ten times as fast as deepEqual, which then shows the difference.
  if (isSame) return;
  const stored = { id, userId, type, timestampMs, sessionId, amount };
  assert.deepEqual(stored, sent, "a row is not what was sent");
}

/**
 * Rows without a session of their own have the one that the rule gives: events of a user that lie
 * `gapMs` apart or less continue the session of the latest event; the ones further back share one
 * per slot of that length. Rows were received within an hour, so that no user was forgotten.
 */
export function assertSessionsFollowRule(rows: readonly StoredRow[], gapMs: number): void {
  const latest = new Map<string, { session: string; timestampMs: number }>();
  const hashOf = new Map<string, string>();
  for (const { userId, sessionId, timestampMs, sessionHash, id } of rows) {
    if (sessionId !== null) continue;
    const last = latest.get(userId);
    let session = `${userId} from ${timestampMs}`;
    if (last !== undefined && timestampMs < last.timestampMs - gapMs) {
      session = `${userId} late ${Math.floor(timestampMs / gapMs)}`;
    } else {
      if (last !== undefined && timestampMs <= last.timestampMs + gapMs) session = last.session;
      const newest = Math.max(timestampMs, last?.timestampMs ?? 0);
      latest.set(userId, { session, timestampMs: newest });
    }
    if (!hashOf.has(session)) hashOf.set(session, sessionHash);
    assert.equal(sessionHash, hashOf.get(session), `the session of ${id}`);
  }
  assert.equal(new Set(hashOf.values()).size, hashOf.size, "each session has a hash of its own");
}

/** How long partitions may be without an owner, ms. */
const ALL_PARTITIONS_MS_MAX = 30_000;

/** Metrics of a time series, and each of them from rows. */
const METRICS: Record<string, (rows: readonly StoredRow[]) => number> = {
  events: (rows) => rows.length,
  users: (rows) => new Set(rows.map((row) => row.userHash)).size,
  sessions: (rows) => new Set(rows.map((row) => row.sessionHash)).size,
  "sum:amount": (rows) => rows.reduce((sum, row) => sum + (row.amount ?? 0), 0),
};

interface Point {
  readonly timestamp: string;
  readonly value: number;
  readonly labels: { readonly event_type?: string };
}

/** What the platform answers about a time range. */
export interface RollupAnswers {
  readonly fromMs: number;
  readonly toMs: number;
  // deno-lint-ignore no-explicit-any -- JSON, looked into below
  readonly summary: any;
  /** By metric: points by minute and type, and by minute alone. */
  readonly byType: ReadonlyMap<string, readonly Point[]>;
  readonly total: ReadonlyMap<string, readonly Point[]>;
}

/** Asks the gateway for all that assertRollupsEqualRows() compares; whole minutes are best. */
export async function askRollups(
  gateway: string,
  fromMs: number,
  toMs: number,
): Promise<RollupAnswers> {
  const range = `time_range.start=${fromMs}&time_range.end=${toMs}`;
  // A group of consumers may deal its partitions out anew at any moment; an answer says so.
  const ask = (path: string) =>
    waitUntil(async () => {
      const response = await fetch(`${gateway}/v1/analytics/${path}`);
      const body = await response.json();
      assert.equal(response.status, 200, JSON.stringify(body));
      for (const [field, accuracy] of Object.entries(body.accuracy)) {
        assert.equal(accuracy, "exact", `${field} of ${path}`);
      }
      return (body.missing_partitions ?? []).length === 0 ? body : null;
    }, { what: `an answer of all partitions to ${path}`, deadlineMs: ALL_PARTITIONS_MS_MAX });
  const summary = await ask(`summary?${range}`);
  const byType = new Map<string, Point[]>();
  const total = new Map<string, Point[]>();
  for (const metric of Object.keys(METRICS)) {
    const series = `timeseries?${range}&granularity=minute&metric=${encodeURIComponent(metric)}`;
    byType.set(metric, (await ask(`${series}&group_by=event_type`)).series);
    total.set(metric, (await ask(series)).series);
  }
  return { fromMs, toMs, summary, byType, total };
}

/** The answers are a recount of the rows. */
export function assertRollupsEqualRows(answers: RollupAnswers, rows: readonly StoredRow[]): void {
  const { fromMs, toMs, summary } = answers;
  const inside = rows.filter((row) => row.timestampMs >= fromMs && row.timestampMs < toMs);
  assert.ok(inside.length > 0, "there are rows in the range");
  const minuteOf = (row: StoredRow) => Math.floor(row.timestampMs / 60_000) * 60_000;
  const byMinute = Map.groupBy(inside, minuteOf);
  const byMinuteAndType = Map.groupBy(inside, (row) => `${minuteOf(row)} ${row.type}`);
  for (const [metric, count] of Object.entries(METRICS)) {
    const expected = recounted(byMinuteAndType, count);
    const keyOf = ({ timestamp, labels }: Point) => `${Date.parse(timestamp)} ${labels.event_type}`;
    assert.deepEqual(valuesOf(answers.byType.get(metric)!, keyOf), expected, `${metric} by type`);
    const totals = valuesOf(answers.total.get(metric)!, ({ timestamp }) => Date.parse(timestamp));
    assert.deepEqual(totals, recounted(byMinute, count), metric);
  }
  assert.equal(summary.total_events, String(METRICS.events(inside)));
  assert.equal(summary.unique_users, String(METRICS.users(inside)));
  assert.equal(summary.sessions, String(METRICS.sessions(inside)));
  const types = [...Map.groupBy(inside, (row) => row.type)]
    .map(([type, each]) => [type, String(each.length)]);
  assert.deepEqual(summary.events_by_type, Object.fromEntries(types));
}

/** Waits until the answers count everything that was received before this call. */
export async function waitUntilCounted(gateway: string, deadlineMs = 30_000): Promise<void> {
  const askedAtMs = Date.now();
  await waitUntil(async () => {
    const response = await fetch(`${gateway}/v1/analytics/summary`);
    const { complete_until: completeUntil } = await response.json();
    return response.ok && Date.parse(completeUntil) >= askedAtMs;
  }, { what: "answers that are complete until now", deadlineMs });
}

/** By key, without the buckets that hold nothing. */
function valuesOf<Key>(points: readonly Point[], keyOf: (point: Point) => Key): Map<Key, number> {
  const values = new Map(points.map((point) => [keyOf(point), point.value]));
  assert.equal(values.size, points.length, "no bucket is answered twice");
  return withoutZeros(values);
}

function recounted<Key>(
  groups: ReadonlyMap<Key, readonly StoredRow[]>,
  count: (rows: readonly StoredRow[]) => number,
): Map<Key, number> {
  return withoutZeros(new Map([...groups].map(([key, rows]) => [key, count(rows)])));
}

function withoutZeros<Key>(values: ReadonlyMap<Key, number>): Map<Key, number> {
  return new Map([...values].filter(([, value]) => value !== 0));
}
