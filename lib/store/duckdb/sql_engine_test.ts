import assert from "node:assert/strict";
import { DuckDBInstance } from "@duckdb/node-api";
import { SQL_ROWS_MAX } from "../../config/export_limits.ts";
import { waitUntil } from "../../../tests/support/deadline.ts";
import { closedStatements } from "../../../tests/support/sql_attacks.ts";
import { EVENT_COLUMNS } from "../../query/event_columns.ts";
import { SqlError, type SqlRun } from "../../sql/sql_protocol.ts";
import { SqlEngine } from "./sql_engine.ts";

const SECRET = "s3cr3t-text";

/** An engine, a folder of copied rows, and a file outside of it. */
class Scene implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync({ prefix: "rta-test-" });
  readonly folder = `${this.root}/copies`;
  readonly secretFile = `${this.root}/outside/secret.txt`;

  private constructor(readonly engine: SqlEngine) {}

  static async open(): Promise<Scene> {
    const scene = new Scene(await SqlEngine.open());
    Deno.mkdirSync(scene.folder);
    Deno.mkdirSync(`${scene.root}/outside`);
    Deno.writeTextFileSync(scene.secretFile, SECRET);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run(`COPY (SELECT 'e' || i AS id, 'u' || (i % 10) AS user_id,
      make_timestamp_ms(1700000000000 + i)::TIMESTAMP AS timestamp, i / 4 AS amount,
      ('{"n":' || i || '}')::JSON AS properties FROM range(5000) t(i))
      TO '${scene.folder}/a.parquet' (FORMAT parquet)`);
    connection.closeSync();
    instance.closeSync();
    return scene;
  }

  /** Runs a statement without planning it. */
  async run(sql: string, more: Partial<SqlRun> = {}): Promise<{ rows: unknown; text: string }> {
    let text = "";
    const decoder = new TextDecoder();
    const run: SqlRun = {
      sql,
      folder: this.folder,
      files: ["a.parquet"],
      columns: ["id", "user_id", "timestamp", "amount", "properties"],
      spillFolder: `${this.root}/spill`,
      format: "json",
      ...more,
    };
    const rows = await this.engine.run(run, {
      columns: () => Promise.resolve(),
      rows: (bytes) => {
        text += decoder.decode(bytes, { stream: true });
        return Promise.resolve();
      },
    });
    return { rows, text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.engine.close();
    await Deno.remove(this.root, { recursive: true });
  }
}

function refusal(code: SqlError["code"], pattern = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof SqlError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    return true;
  };
}

Deno.test("plan() tells which columns a statement needs, and whether it reads at all", async () => {
  await using scene = await Scene.open();
  const columnsOf = async (sql: string) => {
    const { reads, columns } = await scene.engine.plan(sql);
    return reads ? columns.join() : null;
  };
  const all = EVENT_COLUMNS.join();
  const cases: [string, string | null][] = [
    ["SELECT count(*) FROM events", ""],
    ["SELECT 1", null],
    ["SELECT * FROM events LIMIT 1", all],
    ["SELECT e FROM events e", all],
    ["FROM events", all],
    ["SELECT COLUMNS('.*_id') FROM events", "user_id,session_id"],
    [
      "SELECT type, sum(amount) FROM events WHERE source = 'web' GROUP BY ALL",
      "type,source,amount",
    ],
    ["SELECT properties->>'page' FROM events", "properties"],
    [
      "SELECT count(*) FROM (SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY timestamp) " +
      "AS r FROM events) WHERE r = 1",
      "user_id,timestamp",
    ],
    [
      "WITH a AS (SELECT user_id FROM events) SELECT count(*) FROM a JOIN events USING (user_id)",
      "user_id",
    ],
    [
      "SELECT (SELECT max(amount) FROM events x WHERE x.user_id = e.user_id) FROM events e",
      "user_id,amount",
    ],
    ["SELECT 1 FROM events WHERE timestamp > now() - INTERVAL 1 DAY -- a comment", "timestamp"],
    ["SELECT count(*) FROM events WHERE amount < 0 AND amount > 1;", "amount"],
  ];
  for (const [sql, expected] of cases) assert.equal(await columnsOf(sql), expected, sql);
});

Deno.test("plan() refuses everything but one SELECT over events, and says why", async () => {
  await using scene = await Scene.open();
  const attacks = closedStatements(scene.secretFile, SECRET);
  assert.ok(attacks.length >= 60);
  for (const { sql } of attacks) {
    await assert.rejects(scene.engine.plan(sql), (error) => {
      assert.ok(error instanceof SqlError, sql);
      assert.equal(error.code, "invalid_sql", `${sql}: ${error.message}`);
      assert.ok(error.message.length > 10 && !error.message.includes(SECRET), sql);
      return true;
    }, sql);
  }
  await assert.rejects(
    scene.engine.plan("SELECT nope FROM events"),
    refusal("invalid_sql", /"nope" not found/),
  );
  assert.deepEqual((await scene.engine.plan("SELECT 1")).columns, [], "it still answers");
});

Deno.test("run() reaches no file, network or setting even without the check", async () => {
  await using scene = await Scene.open();
  const before = [...Deno.readDirSync(`${scene.root}/outside`)].map(({ name }) => name);
  for (const { sql } of closedStatements(scene.secretFile, SECRET)) {
    const text = await scene.run(sql).then(({ text }) => text, (error) => {
      assert.ok(error instanceof SqlError, sql);
      return error.message;
    });
    assert.ok(!text.includes(SECRET), `${sql}: ${text}`);
  }
  assert.deepEqual([...Deno.readDirSync(`${scene.root}/outside`)].map(({ name }) => name), before);
  assert.equal((await scene.run("SELECT count(*) FROM events")).text, "[5000]");
});

Deno.test("run() writes values as JSON and as CSV", async () => {
  await using scene = await Scene.open();
  const { text } = await scene.run(`SELECT timestamp, timestamp::TIMESTAMPTZ, timestamp::DATE,
      amount, properties, NULL, 12345678901234567890, 9007199254740991, 1.50, 0.1::DOUBLE,
      'nan'::DOUBLE, [1, NULL], {'a': [2]}, map(['k'], [3]), true, 'ü"', INTERVAL 1 DAY,
      make_timestamp(1700000000000001)
    FROM events ORDER BY timestamp LIMIT 1 OFFSET 1`);
  assert.deepEqual(JSON.parse(text), [
    "2023-11-14T22:13:20.001Z",
    "2023-11-14T22:13:20.001Z",
    "2023-11-14",
    0.25,
    { n: 1 },
    null,
    "12345678901234567890",
    9007199254740991,
    1.5,
    0.1,
    "NaN",
    [1, null],
    { a: [2] },
    [{ key: "k", value: 3 }],
    true,
    'ü"',
    "1 day",
    "2023-11-14T22:13:20.000001Z",
  ]);
  const csv = await scene.run(
    `SELECT id AS "a,b", NULL AS n, 'x"y' AS q, [1, 2] AS l, properties AS p FROM events
     ORDER BY timestamp LIMIT 2`,
    { format: "csv" },
  );
  assert.equal(
    csv.text,
    '"a,b",n,q,l,p\r\ne0,,"x""y","[1,2]","{""n"":0}"\r\ne1,,"x""y","[1,2]","{""n"":1}"\r\n',
  );
  assert.equal(csv.rows, 2);
});

Deno.test("run() has an empty view where there is no row", async () => {
  await using scene = await Scene.open();
  const empty = { files: [], columns: [] };
  assert.equal((await scene.run("SELECT count(*), max(type) FROM events", empty)).text, "[0,null]");
  assert.equal((await scene.run("SELECT * FROM events", empty)).text, "");
});

Deno.test("run() gives an error, never fewer rows, where an answer is too large", async () => {
  await using scene = await Scene.open();
  const most = await scene.run(`SELECT i FROM range(${SQL_ROWS_MAX}) t(i)`);
  assert.equal(most.rows, SQL_ROWS_MAX);
  await assert.rejects(
    scene.run(`SELECT i FROM range(${SQL_ROWS_MAX + 1}) t(i)`),
    refusal("result_too_large", /more than 100000 rows/),
  );
  await assert.rejects(
    scene.run("SELECT repeat('x', 20000) FROM range(2000)"),
    refusal("result_too_large", /bytes/),
  );
});

Deno.test("run() ends when it is interrupted, and answers the next one", async () => {
  await using scene = await Scene.open();
  let ended = false;
  const endless = scene.run("SELECT count(*) FROM range(100000000000) a, range(100000000) b");
  const refused = assert.rejects(endless, refusal("interrupted")).finally(() => ended = true);
  // One that comes between two of DuckDB's own steps is lost.
  await waitUntil(() => {
    scene.engine.interrupt();
    return ended;
  }, { what: "the end of an interrupted statement" });
  await refused;
  assert.equal((await scene.run("SELECT 1")).text, "[1]");
});

Deno.test("run() refuses what does not fit into the engine's memory", async () => {
  await using scene = await Scene.open();
  await assert.rejects(
    scene.run("SELECT len(list(i)) FROM range(1000000000) t(i)"),
    refusal("resources_exceeded", /MiB of memory/),
  );
});
