/** Exports over real servers: what comes out, and what happens when it is not read to the end. */
import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { CATEGORY_NUMBERS } from "../../lib/query/filter/filter.ts";
import { type EventView, matchesFilter } from "../../lib/query/filter/match_filter.ts";
import { exportCommand } from "../../services/commands/export_command.ts";
import { importCommand } from "../../services/commands/import_command.ts";
import { capturedIo } from "../support/captured_io.ts";
import { someTime, waitUntil } from "../support/deadline.ts";
import {
  BASE_MS,
  type MadeEvent,
  madeEvents,
  sendEvents,
  sendLines,
} from "../support/export_scene.ts";
import { madeFilters } from "../support/made_filters.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;
const RANGE = {
  "time_range.start": "2024-01-01T00:00:00Z",
  "time_range.end": "2025-01-01T00:00:00Z",
};

/** An export as a response. */
function exported(server: TestServer, parameters: Record<string, string> = {}): Promise<Response> {
  const query = new URLSearchParams({ ...RANGE, ...parameters });
  return fetch(`${server.urls.gateway}/v1/export?${query}`);
}

async function linesOf(server: TestServer, parameters: Record<string, string> = {}) {
  const response = await exported(server, parameters);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text.split("\n").slice(0, -1);
}

/** A counter of the server. */
async function counted(server: TestServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.urls.metrics}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

Deno.test("an export goes into another server by import, and comes out the same", async () => {
  await using first = await startServer({ env: { RTA_PARTITIONS: "4" } });
  await using second = await startServer({ env: { RTA_PARTITIONS: "2" } });
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  try {
    const events = madeEvents(3_000);
    await sendEvents(first.urls, events);
    const file = `${folder}/events.ndjson`;
    const io = capturedIo();
    assert.equal(await exportCommand({ out: file, url: first.urls.gateway }, io), 0, io.err());
    const lines = Deno.readTextFileSync(file).split("\n").slice(0, -1);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).id).sort(),
      events.map(({ id }) => id).sort(),
    );
    assertEqualEvents(lines, events);
    const importing = capturedIo();
    const options = { file, url: second.urls.ingestion, state: `${folder}/state` };
    assert.equal(await importCommand(options, importing), 0, importing.err());
    assert.deepEqual((await linesOf(second)).sort(), lines.sort());
    // And by hand, as they are.
    await sendLines(second.urls, lines.slice(0, 1_000).join("\n"));
    assert.deepEqual((await linesOf(second)).length, lines.length, "they are duplicates");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Each line has what was sent. */
function assertEqualEvents(lines: readonly string[], events: readonly MadeEvent[]): void {
  const byId = new Map(events.map((event) => [event.id, event]));
  for (const line of lines) {
    const { session_id: session, category, ...given } = JSON.parse(line);
    const { session_id: sent, category: sentCategory, ...rest } = byId.get(given.id)!;
    assert.deepEqual(given, { ...rest, properties: { ...rest.properties } });
    if (sent === undefined) assert.match(session, /^[0-9a-f]{16}$/);
    else assert.equal(session, sent);
    assert.equal(category, sentCategory ?? "EVENT_TYPE_CUSTOM");
  }
}

Deno.test("exports in all formats have the events that match, as a recount has", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "4" } });
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  try {
    const events = madeEvents(1_200);
    await sendEvents(server.urls, events);
    const views = await viewsOf(server, events);
    for (const { sent, filter } of fc.sample(madeFilters, { numRuns: 40, seed: 9 })) {
      const parameters = { filter: JSON.stringify(sent) };
      const expected = views.filter((view) => matchesFilter(filter, view)).map(({ id }) => id)
        .sort();
      const ids = (await linesOf(server, parameters)).map((line) => JSON.parse(line).id);
      assert.deepEqual(ids.sort(), expected, JSON.stringify(sent));
    }
    const parameters = {
      event_types: "purchase,signup",
      "filters[n2]": "3",
      "time_range.start": String(BASE_MS / 1000 + 86_400),
    };
    const expected = views.filter((view) =>
      ["purchase", "signup"].includes(view.type) && view.properties.n2 === 3 &&
      view.timestampMs >= BASE_MS + 86_400_000
    ).map(({ id }) => id).sort();
    assert.ok(expected.length > 10);
    const ids = (await linesOf(server, parameters)).map((line) => JSON.parse(line).id);
    assert.deepEqual(ids.sort(), expected);
    const csv = await exported(server, { ...parameters, format: "csv", columns: "id,n2,amount" });
    const cells = parse(await csv.text(), { columns: true }) as Record<string, string>[];
    assert.deepEqual(cells.map(({ id }) => id).sort(), expected);
    assert.ok(cells.every(({ n2 }) => n2 === "3"));
    const path = `${folder}/events.parquet`;
    const io = capturedIo();
    const filters = {
      type: ["purchase", "signup"],
      filter: ["n2=3"],
      from: "2024-06-04T00:00:00Z",
    };
    assert.equal(await exportCommand({ ...filters, out: path, url: server.urls.analytics }, io), 0);
    assert.deepEqual((await parquetIds(path)).sort(), expected);
    const none = await exported(server, { format: "parquet", event_types: "nothing" });
    await Deno.writeFile(path, await none.bytes());
    assert.deepEqual(await parquetIds(path), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What filters see of the events; derived sessions and times of arrival are the server's. */
async function viewsOf(server: TestServer, events: readonly MadeEvent[]): Promise<EventView[]> {
  const csv = await (await exported(server, { format: "csv" })).text();
  const rows = parse(csv, { columns: true }) as Record<string, string>[];
  const byId = new Map(rows.map((row) => [row.id, row]));
  assert.equal(byId.size, events.length);
  return events.map((event) => ({
    id: event.id,
    userId: event.user_id,
    sessionId: event.session_id ?? byId.get(event.id)!.session_id,
    type: event.event_type,
    category: CATEGORY_NUMBERS.get(event.category ?? "EVENT_TYPE_CUSTOM")!,
    timestampMs: event.timestamp,
    receivedAtMs: Date.parse(byId.get(event.id)!.received_at),
    source: event.source ?? null,
    amount: event.amount ?? null,
    properties: event.properties,
  }));
}

async function parquetIds(path: string): Promise<string[]> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const ids = (await connection.runAndReadAll(`SELECT id FROM '${path}'`)).getRowsJson();
  connection.closeSync();
  instance.closeSync();
  return ids.map(([id]) => String(id));
}

/** Sends so many MiB of events that are nearly all properties. */
async function sendMuch(server: TestServer, mib: number): Promise<number> {
  const text = "x".repeat(30_000);
  const count = Math.ceil(mib * MIB / text.length);
  for (let from = 0; from < count; from += 200) {
    const lines = Array.from({ length: Math.min(200, count - from) }, (_, i) =>
      JSON.stringify({
        id: `much-${from + i}`,
        user_id: `user-${(from + i) % 20}`,
        event_type: "much",
        timestamp: BASE_MS + from + i,
        properties: { text },
      }));
    await sendLines(server.urls, lines.join("\n"));
  }
  return count;
}

/** A client that asks for an export and reads what it wants to, when it wants to. */
async function rawExport(server: TestServer): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(server.urls.gateway);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const query = new URLSearchParams(RANGE);
  const head = `GET /v1/export?${query} HTTP/1.1\r\nhost: test\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  return connection;
}

async function readToEnd(connection: Deno.TcpConn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(MIB);
  let text = "";
  for (;;) {
    const read = await connection.read(buffer);
    if (read === null) return text;
    text += decoder.decode(buffer.subarray(0, read), { stream: true });
    if (text.endsWith("\r\n0\r\n\r\n")) return text;
  }
}

/** Waits until the shards hand nothing more over; gives what they have, bytes. */
async function untilStalled(server: TestServer): Promise<number> {
  let last = -1, same = 0;
  await waitUntil(async () => {
    const bytes = await counted(server, "rta_export_bytes_total");
    same = bytes === last ? same + 1 : 0;
    last = bytes;
    await someTime(50);
    return same >= 10;
  }, { what: "an export that is not read stands still", deadlineMs: 30_000 });
  return last;
}

Deno.test("an export that is not read is not made, and all else goes on", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "4" } });
  const total = 90 * MIB;
  const count = await sendMuch(server, 90);
  // One that is read to its end shows what reading takes in any case: caches, buffers, garbage.
  const first = await rawExport(server);
  await readToEnd(first);
  first.close();
  const madeBefore = await counted(server, "rta_export_bytes_total");
  const before = await counted(server, "rta_memory_resident_bytes");
  const connection = await rawExport(server);
  const stalled = await untilStalled(server) - madeBefore;
  assert.ok(stalled < total / 3, `${stalled} bytes were made that nobody has read`);
  const grown = await counted(server, "rta_memory_resident_bytes") - before;
  assert.ok(grown < 80 * MIB, `memory grew by ${grown}`);
  // Meanwhile: events are taken and counted.
  await sendEvents(server.urls, madeEvents(500));
  const summary = await fetch(
    `${server.urls.gateway}/v1/analytics/summary?${new URLSearchParams(RANGE)}`,
  );
  assert.equal((await summary.json()).total_events, String(count + 500));
  assert.equal(await counted(server, "rta_export_bytes_total"), madeBefore + stalled);
  // It is of the moment in which it was asked for, and goes on when it is read.
  const text = await readToEnd(connection);
  connection.close();
  assert.equal(text.split('{"id":"much-').length - 1, count);
  assert.ok(!text.includes('{"id":"event'));
});

Deno.test("an export whose client leaves ends, and gives its place free", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "2" } });
  await sendMuch(server, 60);
  for (let round = 0; round < 6; round++) {
    const from = server.entries.length;
    const connection = await rawExport(server);
    // With the answer's head alone, or with a part of its body.
    const wanted = round % 2 === 0 ? 1 : 2 * MIB;
    const buffer = new Uint8Array(64 * 1024);
    for (let have = 0; have < wanted;) have += await connection.read(buffer) ?? wanted;
    connection.close();
    await server.waitForEntry("an export was cut off", { from });
  }
  const made = await untilStalled(server);
  assert.ok(made > 6 * MIB && made < 6 * 40 * MIB, `${made} bytes were made`);
  assert.ok((await linesOf(server)).length > 1_000);
});

Deno.test("a fifth export at a time is refused", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "2" } });
  await sendMuch(server, 40);
  for (let round = 0; round < 8; round++) {
    const url = `${server.urls.gateway}/v1/export?format=csv`;
    const head = await fetch(url, { method: "HEAD" });
    assert.equal(head.status, 200, "headers alone take no place");
    assert.match(head.headers.get("content-type")!, /^text\/csv/);
  }
  const connections = await Promise.all([1, 2, 3, 4].map(() => rawExport(server)));
  for (const connection of connections) await connection.read(new Uint8Array(1_000));
  const refused = await exported(server);
  assert.equal(refused.status, 429);
  assert.equal((await refused.json()).code, "overloaded");
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  for (const connection of connections) connection.close();
  await waitUntil(async () => {
    const response = await exported(server);
    await response.body?.cancel();
    return response.status === 200;
  }, { what: "a place for the next export" });
});

Deno.test("an export that is cut off is known as such, and leaves no file", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "2" } });
  await sendMuch(server, 60);
  const connection = await rawExport(server);
  await connection.read(new Uint8Array(1_000));
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  try {
    for (const format of ["ndjson", "parquet"]) {
      const [out, io] = [`${folder}/cut.${format}`, capturedIo()];
      await Deno.writeTextFile(out, "the export of yesterday");
      const response = await exported(server, { format });
      const reader = response.body!.getReader();
      await reader.read();
      if (format === "parquet") {
        const exporting = exportCommand({ out, url: server.urls.gateway }, io);
        await waitUntil(() => fileSize(`${out}.part`) > 0, { what: "the beginning of the file" });
        await server.kill();
        assert.equal(await exporting, 2);
        assert.match(io.err(), /the export was cut off/);
        assert.equal(await Deno.readTextFile(out), "the export of yesterday");
        assert.equal(fileSize(`${out}.part`), -1);
        await assert.rejects(async () => {
          while (!(await reader.read()).done);
        });
      } else await reader.cancel();
    }
    const rest = await readToEnd(connection).catch(() => "");
    assert.ok(!rest.endsWith("\r\n0\r\n\r\n"), "it has no end");
  } finally {
    connection.close();
    await Deno.remove(folder, { recursive: true });
  }
});

function fileSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return -1;
  }
}

Deno.test("an export refuses what it can't do, by name", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "1", RTA_ROWS: "off" } });
  const cases: [Record<string, string>, number, string, string?][] = [
    [{ format: "xml" }, 400, "invalid_parameter", "format"],
    [{ columns: "id" }, 400, "invalid_parameter", "columns"],
    [{ format: "csv", columns: "id,ID" }, 400, "invalid_parameter", "columns"],
    [{ filter: "[" }, 400, "invalid_parameter", "filter"],
    [{ limit: "5" }, 400, "invalid_parameter", "limit"],
    [{ "time_range.start": "2026-01-01T00:00:00Z" }, 400, "invalid_parameter", "time_range"],
    [{}, 409, "rows_not_kept"],
  ];
  for (const [parameters, status, code, field] of cases) {
    const response = await exported(server, parameters);
    const problem = await response.json();
    assert.deepEqual([response.status, problem.code, problem.field], [status, code, field]);
  }
});
