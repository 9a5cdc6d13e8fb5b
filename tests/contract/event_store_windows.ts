/** The part of the EventStore contract that is about windows of rows; see event_store_contract.ts. */
import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { EXPORT_BLOCK_BYTES } from "../../lib/config/export_limits.ts";
import { CATEGORY_NAMES } from "../../lib/event/event.ts";
import { type PropertyValue } from "../../lib/event/event.ts";
import { EVENT_FIELDS, type RowField } from "../../lib/query/event_columns.ts";
import { matchesFilter } from "../../lib/query/filter/match_filter.ts";
import type { PartitionStore } from "../../lib/store/event_store.ts";
import type { LineForm, RowWindow } from "../../lib/store/row_window.ts";
import { madeFilters, propertiesText, propertySets } from "../support/made_filters.ts";
import type { StoreTest } from "./event_store_contract.ts";
import { BASE_MS, commitOf, storedOf, testRow, TestSeries } from "./event_store_rows.ts";

const NEVER = new AbortController().signal;

const COLUMNS: readonly RowField[] = [
  ...EVENT_FIELDS,
  { kind: "property", key: "page", as: "page" },
  { kind: "property", key: "a/b~c", as: "properties.a/b~c" },
];

/** An event as a window gives it, whatever its form. */
interface Row {
  readonly id: string;
  readonly sessionId: string;
  readonly type: string;
  readonly category: string;
  readonly timestampMs: number;
  readonly source: string | null;
  readonly amount: number | null;
  readonly properties: Record<string, PropertyValue | null>;
}

/** Registers the tests of windows. */
export function eventStoreWindowTests(test: StoreTest): void {
  test("readLines() gives each matching row once, in the log's order", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, 300);
    await fc.assert(
      fc.asyncProperty(madeFilters, fc.integer({ min: 70, max: 400 }), async ({ filter }, step) => {
        const expected = rows.filter(({ view }) => matchesFilter(filter, view))
          .map(({ row }) => row);
        const window = { ...(await wholeOf(store)), filter };
        assert.deepEqual((await readAll(store, window, "ndjson", step)).map(rowOfLine), expected);
      }),
      { numRuns: 40 },
    );
    await store.close();
  });

  test("readLines() writes CSV with fields and properties", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, 100);
    const lines = await readAll(store, await wholeOf(store), "csv", 33);
    const cells = parse(lines.join("\r\n"), { record_delimiter: "\r\n" }) as string[][];
    assert.deepEqual(cells.map((each) => rowOfCells(each)), rows.map(({ row }) => row));
    cells.forEach((each, i) => {
      const text = rows[i].row.properties.page ?? "";
      if (typeof text !== "number") assert.equal(each[10], String(text));
    });
    await store.close();
  });

  test("readLines() keeps to range and project, and to the rows up to its end", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, 50);
    const whole = await wholeOf(store);
    const ids = async (given: Partial<RowWindow>) => {
      const lines = await readAll(store, { ...whole, ...given }, "ndjson", 7);
      return lines.map((line) => JSON.parse(line).id);
    };
    const all = rows.map(({ row }) => row.id);
    assert.deepEqual(await ids({}), all);
    assert.deepEqual(await ids({ fromMs: BASE_MS + 100, toMs: BASE_MS + 200 }), all.slice(10, 20));
    assert.deepEqual(await ids({ fromSeq: 3, toSeq: 9 }), all.slice(3, 9));
    assert.deepEqual(await ids({ project: "other" }), []);
    await store.close();
  });

  longRowsTest(test);
  parquetTest(test);
}

function longRowsTest(test: StoreTest): void {
  test("readLines() ends a block before it is too long, rows of any length", async (place) => {
    const store = await place.open();
    const lengths = [10, 900, 1_100, 32_000, 5];
    const rows = Array.from({ length: 1_000 }, (_, i) => {
      const text = "ü".repeat(lengths[i % 5] / 2);
      return testRow(i, { properties: JSON.stringify({ text }) });
    });
    await store.commit(commitOf(rows, 0, new TestSeries()), null);
    const window = await wholeOf(store);
    const seen: string[] = [];
    for (let fromSeq = 0; fromSeq < window.toSeq;) {
      const form = { form: "ndjson", columns: [] } as const;
      const block = await store.readLines({ ...window, ...form, fromSeq }, NEVER);
      assert.ok(block.bytes.length <= EXPORT_BLOCK_BYTES);
      assert.ok(block.nextSeq > fromSeq);
      seen.push(...new TextDecoder().decode(block.bytes).trim().split("\n"));
      fromSeq = block.nextSeq;
    }
    assert.deepEqual(
      seen.map((line) => JSON.parse(line).properties.text.length),
      rows.map((row) => JSON.parse(row.properties!).text.length),
    );
    await store.close();
  });
}

function parquetTest(test: StoreTest): void {
  test("copyRows() makes a Parquet file of the same rows", async (place) => {
    const store = await place.open();
    const rows = await commitMade(store, 200);
    const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
    const path = `${folder}/it's.parquet`;
    const form = { columns: COLUMNS, path, compression: "zstd", ordered: true } as const;
    const window = { ...(await wholeOf(store)), ...form, keepsEmpty: false };
    const copied = await store.copyRows(window, NEVER);
    assert.deepEqual([copied.rows, copied.nextSeq], [200, 200]);
    assert.equal(copied.bytes, (await Deno.stat(path)).size);
    const found = await readParquet(path);
    assert.deepEqual(found.rows, rows.map(({ row }) => row));
    assert.deepEqual(found.columns, COLUMNS.map((column) => column.as));

    const nothing = { ...window, project: "other" };
    await Deno.remove(path);
    assert.deepEqual(await store.copyRows(nothing, NEVER), { rows: 0, bytes: 0, nextSeq: 200 });
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    const empty = await store.copyRows({ ...nothing, keepsEmpty: true }, NEVER);
    assert.ok(empty.bytes > 0);
    assert.deepEqual(await readParquet(path), { ...found, rows: [] });
    const uncounted = { ...window, columns: [], ordered: false };
    assert.equal((await store.copyRows(uncounted, NEVER)).rows, 200);
    await Deno.remove(folder, { recursive: true });
    await store.close();
  });
}

/** All committed rows. */
async function wholeOf(store: PartitionStore): Promise<RowWindow> {
  const range = { fromMs: 0, toMs: Infinity, filter: null };
  return { project: "shop", fromSeq: 0, toSeq: await store.rowsEnd(), ...range };
}

/** The lines of a window, read in steps of so many rows. */
async function readAll(
  store: PartitionStore,
  window: RowWindow,
  form: LineForm,
  step: number,
): Promise<string[]> {
  const decoder = new TextDecoder();
  let text = "";
  for (let { fromSeq } = window; fromSeq < window.toSeq;) {
    const toSeq = Math.min(window.toSeq, fromSeq + step);
    const part = { ...window, fromSeq, toSeq, form, columns: COLUMNS };
    const block = await store.readLines(part, NEVER);
    text += decoder.decode(block.bytes);
    fromSeq = block.nextSeq;
  }
  return text.split(form === "csv" ? "\r\n" : "\n").slice(0, -1);
}

function rowOfLine(line: string): Row {
  const event = JSON.parse(line);
  return {
    id: event.id,
    sessionId: event.session_id,
    type: event.event_type,
    category: event.category,
    timestampMs: new Date(event.timestamp).getTime(),
    source: event.source ?? null,
    amount: event.amount ?? null,
    properties: event.properties,
  };
}

function rowOfCells(cells: readonly string[]): Row {
  return {
    id: cells[0],
    sessionId: cells[2],
    type: cells[3],
    category: cells[4],
    timestampMs: Date.parse(cells[5]),
    source: cells[7] === "" ? null : cells[7],
    amount: cells[8] === "" ? null : Number(cells[8]),
    properties: JSON.parse(cells[9]),
  };
}

async function readParquet(path: string): Promise<{ columns: string[]; rows: Row[] }> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const from = `FROM read_parquet('${path.replaceAll("'", "''")}')`;
  const columns = (await connection.runAndReadAll(`SELECT * ${from} LIMIT 0`)).columnNames();
  const sql = `SELECT id, session_id, type, category, epoch_ms(timestamp)::DOUBLE AS ms, source,
    amount, properties ${from}`;
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson().map((row) => ({
    id: row.id as string,
    sessionId: row.session_id as string,
    type: row.type as string,
    category: row.category as string,
    timestampMs: row.ms as number,
    source: row.source as string | null,
    amount: row.amount as number | null,
    properties: JSON.parse(row.properties as string),
  }));
  connection.closeSync();
  instance.closeSync();
  return { columns, rows };
}

/** Commits rows with properties of all kinds, every tenth with long ones, and some very old. */
async function commitMade(store: PartitionStore, count: number) {
  const sets = fc.sample(propertySets, { numRuns: count, seed: 11 });
  const made = sets.map((set, i) => {
    const properties = i % 10 === 0 ? { ...set, long: "ü".repeat(1_200) } : set;
    const isBare = i % 17 === 3;
    return {
      properties: isBare ? {} : { ...properties },
      row: testRow(i, {
        id: `event "${i}" \\ ü`,
        // So old that as a number it would be taken for seconds.
        ...(i % 50 === 49 ? { timestampMs: 1_000_000 + i } : {}),
        sessionId: i % 4 === 0 ? `session-${i % 3}` : null,
        source: i % 3 === 0 ? 'web, "x"\n' : null,
        properties: isBare ? null : propertiesText(properties, i % 2 === 0),
      }),
    };
  });
  await store.commit(commitOf(made.map(({ row }) => row), 0, new TestSeries()), null);
  return made.map(({ row, properties }, seq) => {
    const { sessionId } = storedOf(row, seq);
    const { id, type, timestampMs, source, amount } = row;
    const category = CATEGORY_NAMES[row.category];
    const given = Object.entries(properties).filter(([, value]) => value !== null);
    return {
      row: { id, sessionId, type, category, timestampMs, source, amount, properties },
      view: {
        ...row,
        sessionId,
        properties: Object.fromEntries(given) as Record<string, PropertyValue>,
      },
    };
  });
}
