/** SQL over real servers: answers beside an oracle, limits, attacks, and all else going on. */
import assert from "node:assert/strict";
import { DuckDBInstance } from "@duckdb/node-api";
import { SQL_PROCESS_BYTES_MAX } from "../../lib/config/export_limits.ts";
import { sqlCommand } from "../../services/commands/sql_command.ts";
import { capturedIo } from "../support/captured_io.ts";
import { waitUntil } from "../support/deadline.ts";
import { madeEvents, sendEvents } from "../support/export_scene.ts";
import { peakBytes } from "../support/process_memory.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { closedStatements, ENDLESS, MEMORY_HOGS } from "../support/sql_attacks.ts";

interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- a JSON body of any shape
  readonly body: any;
}

async function ask(server: TestServer, sql: string, more: object = {}): Promise<Answer> {
  const response = await fetch(`${server.urls.gateway}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql, ...more }),
  });
  return { status: response.status, body: await response.json() };
}

/** Statements whose answers do not depend on what only the server knows. */
const STATEMENTS: readonly string[] = [
  "SELECT count(*) AS n FROM events",
  "SELECT type, count(*) AS n, sum(amount) AS s, min(amount), max(amount) FROM events " +
  "GROUP BY type ORDER BY type",
  "SELECT category, source, count(*) AS n FROM events GROUP BY ALL ORDER BY ALL",
  "SELECT count(DISTINCT user_id), count(DISTINCT id), count(source), count(amount) FROM events",
  "SELECT date_trunc('day', timestamp) AS day, count(*) AS n FROM events GROUP BY day ORDER BY day",
  "SELECT properties->>'n2' AS n2, count(*) AS n FROM events GROUP BY n2 ORDER BY n2",
  "SELECT max(length(properties->>'long')), sum(length(properties->>'long')) FROM events",
  "SELECT id, user_id, type, timestamp, source, amount FROM events ORDER BY id LIMIT 20",
  "WITH first AS (SELECT user_id, min(timestamp) AS seen FROM events GROUP BY user_id) " +
  "SELECT seen::DATE AS day, count(*) AS users FROM first GROUP BY day ORDER BY day",
  "SELECT count(*) FROM (SELECT user_id, lag(type) OVER (PARTITION BY user_id ORDER BY timestamp, id)" +
  " AS before, type FROM events) WHERE before = 'page_view' AND type = 'purchase'",
  "SELECT a.user_id, count(*) AS pairs FROM events a JOIN events b ON a.user_id = b.user_id " +
  "AND a.type = 'signup' AND b.type = 'purchase' AND b.timestamp > a.timestamp " +
  "GROUP BY a.user_id ORDER BY pairs DESC, a.user_id LIMIT 10",
  "SELECT quantile_disc(amount, [0.5, 0.9]), list(DISTINCT category ORDER BY category) FROM events",
  "SELECT type FROM events WHERE amount > (SELECT avg(amount) FROM events) " +
  "UNION SELECT source FROM events WHERE source IS NOT NULL ORDER BY 1",
  "SELECT d::DATE AS day, count(e.id) AS n FROM generate_series(TIMESTAMP '2024-06-03', " +
  "TIMESTAMP '2024-06-14', INTERVAL 1 DAY) t(d) LEFT JOIN events e " +
  "ON date_trunc('day', e.timestamp) = d GROUP BY day ORDER BY day",
  "SELECT j.key, count(*) AS n FROM events, json_each(properties) j WHERE j.key <> 'long' " +
  "GROUP BY j.key ORDER BY j.key",
];

for (const partitions of [1, 2, 8]) {
  Deno.test(`SQL answers as plain DuckDB does, over ${partitions} partitions`, async () => {
    const events = madeEvents(1_500);
    await using server = await startServer({ env: { RTA_PARTITIONS: String(partitions) } });
    await sendEvents(server.urls, events);
    const file = await Deno.makeTempFile({ prefix: "rta-test-", suffix: ".ndjson" });
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    try {
      await Deno.writeTextFile(file, events.map((each) => JSON.stringify(each)).join("\n"));
      await connection.run(`SET TimeZone = 'UTC'; CREATE TABLE events AS SELECT json->>'id' AS id,
        json->>'user_id' AS user_id, json->>'event_type' AS type,
        coalesce(json->>'category', 'EVENT_TYPE_CUSTOM') AS category,
        make_timestamp_ms((json->>'timestamp')::BIGINT)::TIMESTAMP AS timestamp,
        json->>'source' AS source, (json->>'amount')::DOUBLE AS amount,
        json->'properties' AS properties FROM read_json_objects('${file}', format = 'nd')`);
      for (const sql of STATEMENTS) {
        const { status, body } = await ask(server, sql);
        assert.equal(status, 200, `${sql}: ${JSON.stringify(body)}`);
        const expected = (await connection.runAndReadAll(sql)).getRowsJson();
        assert.deepEqual(body.rows.map(plainRow), expected.map(plainRow), sql);
        assert.equal(body.row_count, body.rows.length);
        assert.equal(body.complete, true);
      }
      const range = { start: "2024-06-05T00:00:00Z", end: "2024-06-07T00:00:00Z" };
      const inRange = events.filter(({ timestamp }) =>
        timestamp >= Date.parse(range.start) && timestamp < Date.parse(range.end)
      );
      const some = await ask(server, "SELECT count(*) FROM events", { time_range: range });
      assert.deepEqual(some.body.rows, [[inRange.length]]);
      const derived = await ask(
        server,
        "SELECT count(*) FROM events WHERE NOT regexp_full_match(session_id, 'session-[0-9]+|[0-9a-f]{16}')",
      );
      assert.deepEqual(derived.body.rows, [[0]]);
    } finally {
      connection.closeSync();
      instance.closeSync();
      await Deno.remove(file);
    }
  });
}

/** Values in one spelling: times without their T and Z, numbers as numbers. */
function plainRow(row: unknown): unknown {
  return JSON.parse(JSON.stringify(row, (_, value) => {
    if (typeof value !== "string") return value;
    const time = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?Z?$/.exec(value);
    if (time !== null) return `${time[1]} ${time[2]}${(time[3] ?? "").replace(/\.?0+$/, "")}`;
    return /^-?\d+(\.\d+)?$/.test(value) && Number.isFinite(Number(value)) ? Number(value) : value;
  }));
}

Deno.test("SQL lets no attack through, and the server goes on", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "2" } });
  await sendEvents(server.urls, madeEvents(300));
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  try {
    const secret = "s3cr3t-text";
    await Deno.writeTextFile(`${folder}/secret.txt`, secret);
    for (const { sql } of closedStatements(`${folder}/secret.txt`, secret)) {
      const { status, body } = await ask(server, sql);
      assert.equal(status, 400, sql);
      // An empty statement is refused before anybody reads it.
      assert.equal(body.code, sql === "" ? "invalid_parameter" : "invalid_sql", sql);
      assert.ok(!JSON.stringify(body).includes(secret), sql);
    }
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["secret.txt"]);
    const rows = await ask(server, "SELECT i FROM range(100001) t(i)");
    assert.deepEqual([rows.status, rows.body.code], [422, "result_too_large"]);
    const peakBefore = peakBytes(server.pid);
    for (const sql of MEMORY_HOGS.slice(0, 3)) {
      const { status, body } = await ask(server, sql);
      assert.deepEqual([status, body.code, body.field], [422, "resources_exceeded", "sql"], sql);
    }
    const grown = peakBytes(server.pid) - peakBefore;
    assert.ok(grown < SQL_PROCESS_BYTES_MAX / 4, `the server itself took ${grown} bytes`);
    assert.deepEqual((await ask(server, "SELECT count(*) FROM events")).body.rows, [[300]]);
    const health = await fetch(`${server.urls.gateway}/health`);
    assert.equal((await health.json()).status, "healthy");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("SQL ends in time, leaves nothing behind, and holds up nobody", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "2" } });
  const events = madeEvents(2_000);
  await sendEvents(server.urls, events.slice(0, 300));
  await ask(server, "SELECT 1");
  for (const [index, sql] of ENDLESS.slice(0, 3).entries()) {
    const endless = ask(server, sql, { timeout_seconds: 2 });
    // Meanwhile: events are taken and counted, and exports are answered.
    const batch = events.slice(300 + index * 500, 800 + index * 500);
    await sendEvents(server.urls, batch);
    const range = "time_range.start=2024-01-01T00:00:00Z&time_range.end=2025-01-01T00:00:00Z";
    const summary = await fetch(`${server.urls.gateway}/v1/analytics/summary?${range}`);
    assert.equal((await summary.json()).total_events, String(800 + index * 500));
    const exported = await fetch(`${server.urls.gateway}/v1/export?${range}`);
    assert.equal((await exported.text()).trim().split("\n").length, 800 + index * 500);
    const { status, body } = await endless;
    assert.deepEqual([status, body.code], [504, "deadline_exceeded"], sql);
  }
  const [process] = [...Deno.readDirSync(`${server.dataFolder}/temporary`)]
    .filter(({ isDirectory }) => isDirectory);
  // The answer does not wait for the engine's end.
  await waitUntil(() => {
    const left = [...Deno.readDirSync(`${server.dataFolder}/temporary/${process.name}`)];
    return left.map(({ name }) => name).join() === "in-use";
  }, { what: "the removal of temporary files" });
  assert.equal(await server.stop(), 0);
});

Deno.test("SQL is off where it is said to be, with the reason", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "1", RTA_SQL: "off" } });
  const { status, body } = await ask(server, "SELECT 1");
  assert.deepEqual([status, body.code], [403, "sql_disabled"]);
  assert.match(body.detail, /RTA_SQL=on/);
});

Deno.test("rta sql prints a table, CSV or JSON", async () => {
  await using server = await startServer({ env: { RTA_PARTITIONS: "1" } });
  await sendEvents(server.urls, madeEvents(300));
  const run = async (sql: string, options: Record<string, unknown> = {}) => {
    const io = capturedIo();
    const code = await sqlCommand(sql, { url: server.urls.gateway, ...options }, io);
    return { code, out: io.out(), err: io.err() };
  };
  const sql = "SELECT 'a,b' AS t, count(*) AS n, NULL AS x FROM events";
  assert.deepEqual(await run(sql), {
    code: 0,
    out: "  t      n  x\n  ---  ---  -\n  a,b  300  -\n\n  1 row\n",
    err: "",
  });
  assert.equal((await run(sql, { csv: true })).out, 't,n,x\r\n"a,b",300,\r\n');
  assert.deepEqual(JSON.parse((await run(sql, { json: true })).out).rows, [["a,b", 300, null]]);
  const wrong = await run("SELECT nope FROM events");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^rta sql: invalid_sql at sql: Binder Error: .*"nope" not found/);
});
