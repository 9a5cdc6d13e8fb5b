/**
 * The example data through a real server: its numbers against a plain recount of the CSV in this
 * file, a second import that adds nothing, and an import that is interrupted and goes on.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fetchClickstream } from "../../scripts/fetch_clickstream.ts";
import { EXIT_DONE, EXIT_INTERRUPTED } from "../../services/commands/command_io.ts";
import {
  EXAMPLE_END,
  EXAMPLE_FUNNEL,
  EXAMPLE_MAPPING,
  EXAMPLE_RETENTION,
  EXAMPLE_START,
  exampleCommand,
} from "../../services/commands/example_command.ts";
import { importCommand } from "../../services/commands/import_command.ts";
import {
  askHourly,
  askSummaryOf,
  type Question,
  type SummaryAnswer,
} from "../../services/commands/platform_answers.ts";
import { breakdownKind } from "../../services/commands/query_breakdown.ts";
import type { Json } from "../../services/commands/query_client.ts";
import { queryCommand } from "../../services/commands/query_command.ts";
import { funnelKind } from "../../services/commands/query_funnel.ts";
import type { QueryKind, QueryOptions } from "../../services/commands/query_kind.ts";
import { retentionKind } from "../../services/commands/query_retention.ts";
import { capturedIo } from "../support/captured_io.ts";
import { ClickstreamSql } from "../support/clickstream_sql.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { startServer, type TestServer } from "../support/server.ts";

const HOUR_MS = 3_600_000;
const countedMsMax = 30_000;
/** Four standard errors of HyperLogLog with 2^14 registers. */
const sketchError = 4 * 0.0081;

/** What the CSV says, counted in the plainest way. The data has no quotes and no empty cells. */
function recount(csv: string) {
  const [header, ...rows] = csv.trimEnd().split("\n").map((line) => line.split(","));
  const column = (name: string) => header.indexOf(name);
  const users = new Set(rows.map((row) => row[column("user_id")]));
  const sessions = new Set(rows.map((row) => row[column("session_id")]));
  const types = new Map<string, number>();
  const hours = new Map<number, { events: number; users: Set<string> }>();
  for (const row of rows) {
    const type = row[column("event")];
    types.set(type, (types.get(type) ?? 0) + 1);
    const atMs = Date.parse(`${row[column("timestamp")].replace(" ", "T")}Z`);
    const hourMs = atMs - atMs % HOUR_MS;
    const hour = hours.get(hourMs) ?? { events: 0, users: new Set() };
    hour.events++;
    hour.users.add(row[column("user_id")]);
    hours.set(hourMs, hour);
  }
  return { events: rows.length, users: users.size, sessions: sessions.size, types, hours };
}

type Recount = ReturnType<typeof recount>;

async function exampleData(): Promise<{ file: string; expected: Recount }> {
  const file = await fetchClickstream();
  const csv = new TextDecoder().decode(gunzipSync(Deno.readFileSync(file)));
  return { file, expected: recount(csv) };
}

function questionTo(server: TestServer): Question {
  return { gateway: server.urls.gateway, start: EXAMPLE_START, end: EXAMPLE_END };
}

function assertNear(actual: number, expected: number, accuracy: string): void {
  const allowed = accuracy === "exact" ? 0 : sketchError * expected;
  assert.ok(Math.abs(actual - expected) <= allowed, `${actual}, not ${expected} (${accuracy})`);
}

function assertSummary(summary: SummaryAnswer, expected: Recount): void {
  const { accuracy } = summary;
  assert.equal(summary.totalEvents, expected.events);
  assert.equal(accuracy.total_events, "exact");
  assertNear(summary.uniqueUsers, expected.users, accuracy.unique_users);
  assertNear(summary.sessions, expected.sessions, accuracy.sessions);
  assert.deepEqual(new Map(summary.eventsByType), expected.types);
}

/** Every hour of the range, the empty ones too. */
async function assertHours(question: Question, { hours }: Recount): Promise<void> {
  const events = await askHourly(question, "events");
  const users = await askHourly(question, "users");
  const [startMs, endMs] = [Date.parse(EXAMPLE_START), Date.parse(EXAMPLE_END)];
  assert.equal(events.length, (endMs - startMs) / HOUR_MS);
  for (const [index, point] of events.entries()) {
    const hourMs = startMs + index * HOUR_MS;
    assert.equal(Date.parse(point.timestamp), hourMs);
    assert.equal(point.value, hours.get(hourMs)?.events ?? 0, point.timestamp);
    assert.equal(users[index].value, hours.get(hourMs)?.users.size ?? 0, point.timestamp);
  }
}

/** An answer of `rta query --json`. */
async function answerTo(kind: QueryKind, options: QueryOptions, url: string): Promise<Json> {
  const io = capturedIo();
  assert.equal(await queryCommand(kind, "", { ...options, url, json: true }, io), 0, io.err());
  const answer = JSON.parse(io.out());
  assert.equal(answer.complete, true);
  return answer;
}

/** Funnel, retention and breakdowns are those of plain SQL over the file. */
async function assertAnswersOfSql(gateway: string, file: string): Promise<void> {
  const sql = await ClickstreamSql.open(file);
  try {
    const funnel = await answerTo(funnelKind, EXAMPLE_FUNNEL, gateway);
    const users = (funnel.steps as { users: string }[]).map((step) => Number(step.users));
    assert.deepEqual(users, await sql.funnel(EXAMPLE_FUNNEL.step, 7));
    assert.ok(users.at(-1)! > 0, "somebody buys");

    const retention = await answerTo(retentionKind, EXAMPLE_RETENTION, gateway);
    type Cohort = { start: string; size: string; periods: { users: string }[] };
    const found = (retention.cohorts as Cohort[]).map(({ start, size, periods }) => ({
      month: start.slice(0, "2024-01-01".length),
      size: Number(size),
      users: periods.map((period) => Number(period.users)),
    }));
    const expected = (await sql.cohorts()).map((cohort, index) => ({
      ...cohort,
      // Months in which nobody came are missing at the end of a row of SQL.
      users: Array.from({ length: found[index].users.length }, (_, k) => cohort.users[k] ?? 0),
    }));
    assert.deepEqual(found, expected);

    for (const [by, metric] of [["platform", "events"], ["acquisition_channel", "users"]]) {
      const options = { from: EXAMPLE_START, to: EXAMPLE_END, by: [by], metric };
      const breakdown = await answerTo(breakdownKind, options, gateway);
      type Group = { labels: Record<string, string>; value: number };
      const groups = (breakdown.groups as Group[]).map(({ labels, value }) => [labels[by], value]);
      assert.deepEqual(groups, await sql.breakdown(by, metric === "users"));
      assert.equal(breakdown.other, null);
    }
  } finally {
    sql.close();
  }
}

/** Duplicates among the events that the consumer saw, by its metrics, once it has seen so many. */
function countDuplicates(server: TestServer, seen: number): Promise<number> {
  return waitUntil(async () => {
    const text = await (await fetch(`${server.urls.consumer}/metrics`)).text();
    const counts = { success: 0, duplicate: 0 };
    for (const line of text.split("\n")) {
      const match = /^events_processed_total\{(.*service="consumer".*)\} (\d+)/.exec(line);
      const status = /status="(success|duplicate)"/.exec(match?.[1] ?? "")?.[1];
      if (status !== undefined) counts[status as keyof typeof counts] += Number(match![2]);
    }
    return counts.success + counts.duplicate >= seen ? { ...counts } : null;
  }, { what: `${seen} events in the consumer's metrics` }).then(({ duplicate }) => duplicate);
}

Deno.test("exampleCommand() gives the numbers of a recount, and a second run adds nothing", async () => {
  const { file, expected } = await exampleData();
  assert.equal(expected.events, 31_106);
  const server = await startServer();
  const state = Deno.makeTempDirSync();
  try {
    const { ingestion: url, gateway } = server.urls;
    const question = questionTo(server);
    const io = capturedIo();
    assert.equal(await exampleCommand({ url, gateway, file, state }, io), EXIT_DONE, io.err());
    assert.match(io.out(), /events +31,106 +exact/);
    assert.match(io.out(), /product_view +6,851 +22\.0 %/);
    assertSummary(await askSummaryOf(question, Date.now(), countedMsMax), expected);
    await assertHours(question, expected);
    assert.match(io.out(), /^ {2}4 purchase +\d+ +\d+\.\d %/m);
    assert.match(io.out(), /^ {2}2024-01-01 +\d+ +100\.0 %/m);
    await assertAnswersOfSql(gateway, file);

    const again = capturedIo();
    assert.equal(await exampleCommand({ url, gateway, file, state }, again), EXIT_DONE);
    assert.match(again.err(), /nothing new/);

    // Without its progress the import sends everything again, and the platform knows every id.
    const restart = capturedIo();
    const options = { ...EXAMPLE_MAPPING, file, url, state, restart: true };
    assert.equal(await importCommand(options, restart), EXIT_DONE, restart.err());
    assertSummary(await askSummaryOf(question, Date.now(), countedMsMax), expected);
    assert.equal(await countDuplicates(server, 2 * expected.events), expected.events);
  } finally {
    assert.equal(await server.stop(), 0);
    Deno.removeSync(state, { recursive: true });
  }
});

Deno.test("importCommand() goes on where SIGINT after the first batch stopped it", async () => {
  const { file, expected } = await exampleData();
  const server = await startServer();
  const folder = Deno.makeTempDirSync();
  try {
    const plain = join(folder, "ecom.csv");
    Deno.writeFileSync(plain, gunzipSync(Deno.readFileSync(file)));
    const proxy = new FirstBatchProxy(server.urls.ingestion);
    const state = join(folder, "state");
    const args = ["import", plain, "--url", proxy.url, "--state", state, "--batch", "1000"];
    for (const pair of EXAMPLE_MAPPING.map) args.push("--map", pair);
    for (const pair of EXAMPLE_MAPPING.set) args.push("--set", pair);
    try {
      const first = startCli(args);
      await withDeadline(proxy.secondBatch, { what: "the second batch", deadlineMs: 30_000 });
      first.kill("SIGINT");
      proxy.open();
      const { code, stderr } = await first.output();
      assert.equal(code, EXIT_INTERRUPTED, new TextDecoder().decode(stderr));
      assert.ok(proxy.rows >= 2_000 && proxy.rows < expected.events, `${proxy.rows} rows`);

      const { code: codeOfRest } = await startCli(args).output();
      assert.equal(codeOfRest, EXIT_DONE);
      assert.equal(proxy.rows, expected.events);
    } finally {
      await proxy.close();
    }
    const question = questionTo(server);
    assertSummary(await askSummaryOf(question, Date.now(), countedMsMax), expected);
    assert.equal(await countDuplicates(server, expected.events), 0);
  } finally {
    assert.equal(await server.stop(), 0);
    Deno.removeSync(folder, { recursive: true });
  }
});

function startCli(args: readonly string[]): Deno.ChildProcess {
  const main = new URL("../../services/main.ts", import.meta.url).href;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/**
 * Passes requests on to a server, and holds the second batch back until it is opened: so the moment
 * of the interruption is known, and no test has to hit it by time.
 */
class FirstBatchProxy {
  /** Rows in the batches that were passed on. */
  rows = 0;
  /** Resolves when the second batch has arrived, which means that the first was answered. */
  readonly secondBatch: Promise<void>;
  readonly #arrived = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #batches = 0;

  constructor(target: string) {
    this.secondBatch = this.#arrived.promise;
    const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
    this.#server = Deno.serve(options, async (request) => {
      const { method, headers } = request;
      const address = `${target}${new URL(request.url).pathname}`;
      if (method === "GET") return await fetch(address);
      const body = await request.bytes();
      if (++this.#batches === 2) {
        this.#arrived.resolve();
        await this.#opened.promise;
      }
      this.rows += body.filter((byte) => byte === 0x0a).length;
      return await fetch(address, { method, headers, body });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  open(): void {
    this.#opened.resolve();
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }
}
