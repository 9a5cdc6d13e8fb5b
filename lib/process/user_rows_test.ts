import assert from "node:assert/strict";
import fc from "fast-check";
import { USER_ROWS_PARTS_MAX } from "../config/limits.ts";
import type { PartitionStore, RowScan, ScannedRows } from "../store/event_store.ts";
import { DenseIds } from "./dense_ids.ts";
import { RowLabels } from "./row_labels.ts";
import { TooManyRows } from "./too_many_rows.ts";
import { type UserRows, userRows, type UserRowsQuery } from "./user_rows.ts";

/** A row as plain data. */
interface PlainRow {
  readonly low: number;
  readonly high: number;
  readonly timestampMs: number;
  readonly match: number;
  readonly label: string | null;
}

const NEVER = new AbortController().signal;

const QUERY: UserRowsQuery = {
  project: "shop",
  fromMs: 0,
  toMs: Infinity,
  filter: null,
  matches: [{ kind: "and", filters: [] }],
  keepsUnmatched: true,
  columns: [],
};

const labelOf = (numbers: RowLabels) => ({
  subject: { kind: "property", key: "country" },
  of: { kind: "and", filters: [] },
  numbers,
} as const);

const plainRows = fc.array(
  fc.record({
    // Users that share low words, high words, and all low bits.
    low: fc.constantFrom(0, 1, 2, 3, 5, 0x8000_0000, 0xffff_ffff, 4_096),
    high: fc.constantFrom(0, 1, 0xffff_ffff),
    timestampMs: fc.integer({ min: 0, max: 8 }),
    match: fc.integer({ min: 0, max: 0x7fff_ffff }),
    label: fc.constantFrom(null, "DE", "FR", ""),
  }),
  { maxLength: 200 },
);

/** A store whose rows are given in chunks, in the order of `given` (places of rows). */
function storeOf(
  rows: readonly PlainRow[],
  given: readonly number[],
  chunkRows: number,
): PartitionStore & { scans: RowScan[] } {
  const scans: RowScan[] = [];
  const scanRows: PartitionStore["scanRows"] = async (scan, onRows, signal) => {
    scans.push(scan);
    const part = scan.userPart;
    const wanted = given.filter((seq) => {
      return part === null || (rows[seq].low >>> 0) % part.of === part.index;
    });
    for (let at = 0; at < wanted.length; at += chunkRows) {
      onRows(
        scannedRows(
          rows,
          wanted.slice(at, at + chunkRows),
          scan,
          isRising(wanted.slice(0, at + chunkRows)),
        ),
      );
      await Promise.resolve();
      signal.throwIfAborted();
    }
  };
  return { scans, scanRows } as PartitionStore & { scans: RowScan[] };
}

function isRising(seqs: readonly number[]): boolean {
  return seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]);
}

function scannedRows(
  rows: readonly PlainRow[],
  seqs: number[],
  scan: RowScan,
  inOrder: boolean,
): ScannedRows {
  const has = (column: RowScan["columns"][number]) => scan.columns.includes(column);
  const pairs = Uint32Array.from(seqs.flatMap((seq) => [rows[seq].low, rows[seq].high]));
  return {
    count: seqs.length,
    types: new Map([[7, "view"]]),
    series: Int32Array.from(seqs, (seq) => seq % 3),
    seq: has("seq") ? Float64Array.from(seqs) : null,
    userHash: has("user_hash") ? pairs : null,
    sessionHash: has("session_hash") ? pairs.map((word) => word ^ 5) : null,
    timestampMs: has("timestamp") ? Float64Array.from(seqs, (seq) => rows[seq].timestampMs) : null,
    amount: has("amount") ? Float64Array.from(seqs, (seq) => seq / 2) : null,
    match: Int32Array.from(seqs, (seq) => rows[seq].match),
    inOrder: scan.checksOrder ? inOrder : null,
    values: [],
    label: scan.label === undefined ? null : {
      // One text has many ids here, as "5" and 5 have in a real scan.
      ids: Int32Array.from(seqs),
      texts: rows.map(({ label }) => label),
    },
  };
}

/** What must come out: by user, the rows by time, then by place. */
function expectedUsers(rows: readonly PlainRow[]): Map<string, unknown[]> {
  const users = new Map<string, unknown[]>();
  rows.map((row, seq) => ({ ...row, seq }))
    .sort((a, b) => a.timestampMs - b.timestampMs || a.seq - b.seq)
    .forEach(({ low, high, timestampMs, match, label, seq }) => {
      const key = `${low} ${high}`;
      if (!users.has(key)) users.set(key, []);
      const session = [low ^ 5, high ^ 5].map((word) => word >>> 0);
      const amount = seq / 2;
      users.get(key)!.push({ timestampMs, match, label, seq, series: seq % 3, amount, session });
    });
  return users;
}

async function readUsers(
  pieces: AsyncIterable<UserRows>,
  labels: RowLabels,
): Promise<Map<string, unknown[]>> {
  const users = new Map<string, unknown[]>();
  for await (const piece of pieces) {
    for (let user = piece.fromUser; user < piece.toUser; user++) {
      const key = `${piece.userHash[2 * user]} ${piece.userHash[2 * user + 1]}`;
      assert(!users.has(key), `user ${key} comes twice`);
      const read: unknown[] = [];
      for (let row = piece.userStart[user]; row < piece.userStart[user + 1]; row++) {
        const { seq, series, amount, sessionHash, label } = piece;
        read.push({
          timestampMs: piece.timestampMs[row],
          match: piece.match[row],
          label: label![row] < 0 ? null : labels.texts()[label![row]],
          seq: seq![row],
          series: series![row],
          amount: amount![row],
          session: [sessionHash![2 * row], sessionHash![2 * row + 1]],
        });
      }
      users.set(key, read);
    }
  }
  return users;
}

const EVERYTHING: UserRowsQuery = {
  ...QUERY,
  columns: ["series", "seq", "session_hash", "amount"],
};

Deno.test("userRows() gives each user's rows in order when rows, order and limits are random", async () => {
  await fc.assert(
    fc.asyncProperty(
      plainRows.chain((rows) =>
        fc.record({
          rows: fc.constant(rows),
          given: fc.oneof(
            fc.constant(rows.map((_, seq) => seq)),
            fc.shuffledSubarray(rows.map((_, seq) => seq), { minLength: rows.length }),
          ),
          chunkRows: fc.integer({ min: 1, max: 50 }),
          rowsMax: fc.constantFrom(1, 7, 40, 1_000),
          pieceRows: fc.constantFrom(1, 10, 1_000),
          only: fc.option(fc.uniqueArray(fc.constantFrom<number>(0, 2, 4_096))),
          part: fc.option(fc.constantFrom({ index: 0, of: 2 }, { index: 1, of: 2 })),
        })
      ),
      async ({ rows, given, chunkRows, rowsMax, pieceRows, only, part }) => {
        const store = storeOf(rows, given, chunkRows);
        const limits = { rowsMax, pieceRows };
        const labels = new RowLabels(100);
        const users = new DenseIds();
        for (const low of only ?? []) users.idOf(low, 1);
        const query: UserRowsQuery = {
          ...EVERYTHING,
          label: labelOf(labels),
          only: only === null ? undefined : users,
          part: part ?? undefined,
        };
        const read = await readUsers(userRows(store, query, NEVER, limits), labels);
        const expected = [...expectedUsers(rows)].filter(([key]) => {
          const [low, high] = key.split(" ").map(Number);
          return (only === null || (high === 1 && only.includes(low))) &&
            (part === null || low % part.of === part.index);
        });
        assert.deepEqual(read, new Map(expected));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("userRows() reads once more when rows do not come in order of the log", async () => {
  const row = { low: 1, high: 1, timestampMs: 5, label: null };
  const rows = [{ ...row, match: 1 }, { ...row, match: 2 }];
  const store = storeOf(rows, [1, 0], 2);
  for await (const piece of userRows(store, QUERY, NEVER)) {
    assert.deepEqual([...piece.match], [1, 2]);
    assert.equal(piece.seq, null);
  }
  assert.equal(store.scans.length, 2);
});

Deno.test("userRows() takes several passes when rows are many", async () => {
  const rows = Array.from({ length: 1_000 }, (_, i) => (
    { low: i, high: i, timestampMs: i, match: i, label: null }
  ));
  const store = storeOf(rows, rows.map((_, i) => i), 10);
  let users = 0;
  for await (const piece of userRows(store, QUERY, NEVER, { rowsMax: 300 })) {
    assert.ok(piece.timestampMs.length <= 310, `${piece.timestampMs.length} rows in a pass`);
    users += piece.toUser - piece.fromUser;
  }
  assert.equal(users, 1_000);
  assert.deepEqual(
    store.scans.map(({ userPart }) => userPart),
    [null, { index: 2, of: 4 }, { index: 1, of: 2 }, { index: 3, of: 4 }],
  );
});

Deno.test("userRows() refuses when one user has too many rows, or texts are too many", async () => {
  const rows = Array.from({ length: 200 }, (_, i) => (
    { low: USER_ROWS_PARTS_MAX, high: 1, timestampMs: i, match: 1, label: `text ${i}` }
  ));
  const store = storeOf(rows, rows.map((_, i) => i), 1);
  const all = (query: UserRowsQuery, limits: Parameters<typeof userRows>[3]) =>
    Array.fromAsync(userRows(store, query, NEVER, limits));
  await assert.rejects(
    all(QUERY, { rowsMax: 2, rowsOfOneMax: 100 }),
    (error) => error instanceof TooManyRows && error.what === "rows",
  );
  await assert.rejects(
    all({ ...QUERY, label: labelOf(new RowLabels(100)) }, {}),
    (error) => error instanceof TooManyRows && error.what === "labels",
  );
  assert.equal((await all(QUERY, { rowsMax: 2, rowsOfOneMax: 200 })).length, 1);
});

Deno.test("userRows() ends with the signal's reason when that is aborted between pieces", async () => {
  const rows = Array.from({ length: 10 }, (_, i) => (
    { low: i, high: 1, timestampMs: i, match: 1, label: null }
  ));
  const stop = new AbortController();
  const pieces = userRows(storeOf(rows, [...rows.keys()], 10), QUERY, stop.signal, {
    pieceRows: 1,
  });
  await pieces.next();
  stop.abort(new Error("enough"));
  await assert.rejects(pieces.next(), /^Error: enough$/);
});

Deno.test("userRows() gives its place back when nobody reads on", async () => {
  const rows = Array.from({ length: 10 }, (_, i) => (
    { low: i, high: 1, timestampMs: i, match: 1, label: null }
  ));
  for (let i = 0; i < 10; i++) {
    const store = storeOf(rows, [...rows.keys()], 10);
    for await (const piece of userRows(store, QUERY, NEVER, { pieceRows: 1 })) {
      assert.equal(piece.toUser, 1);
      break;
    }
  }
});
