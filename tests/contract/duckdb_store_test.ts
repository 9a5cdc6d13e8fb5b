/** What is particular to the DuckDB store: its file, its locks, and what a crash leaves of it. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DuckdbFile } from "../../lib/store/duckdb/duckdb_file.ts";
import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import { native } from "../../lib/store/duckdb/native.ts";
import { duckdbSettings } from "../../lib/store/duckdb/duckdb_settings.ts";
import type { PartitionStore } from "../../lib/store/event_store.ts";
import { someTime } from "../support/deadline.ts";
import {
  checkCrashCommits,
  CRASH_RUN_ROWS,
  crashCommit,
  crashSeries,
  crashUserEvents,
} from "./crash_commits.ts";
import { testCell } from "./event_store_contract.ts";
import { batchOf, commitOf, testRows, TestSeries } from "./event_store_rows.ts";

const KILLS = 5;

function open(folder: string, partition = 0, told: string[] = []): Promise<PartitionStore> {
  const runRows = CRASH_RUN_ROWS;
  const warn = (message: string) => told.push(message);
  return openDuckdbPartition({ folder, partition, memoryLimitMb: 32, runRows, warn });
}

function test(what: string, body: (folder: string) => Promise<void>): void {
  Deno.test(`duckdb store ${what}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await body(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

test(`holds a prefix of the commits after each of ${KILLS} kills`, async (folder) => {
  let offset = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const printed = await commitUntilKilled(folder, 3 + 5 * kill);
    const store = await open(folder);
    const stored = await checkCrashCommits(store);
    await store.close();
    assert.ok(stored >= printed + 1, `${stored} commits stored, ${printed} had resolved`);
    assert.ok(stored > offset);
    offset = stored;
  }
});

test("says that it is full and goes on once there is room", async (folder) => {
  const child = new URL("commit_until_killed.ts", import.meta.url).pathname;
  const limited = `trap '' XFSZ; ulimit -f 24000; exec "$0" run -A --cached-only ${child} "$1"`;
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", limited, Deno.execPath(), folder],
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const [first, second, says] = lines.slice(-3);
  assert.equal(first, "RTA_STORE_FULL", new TextDecoder().decode(stderr));
  // What is on disk after a failed checkpoint can leave room for one more.
  assert.ok(["RTA_STORE_FULL", "committed"].includes(second), second);
  const store = await open(folder);
  const stored = await checkCrashCommits(store);
  assert.equal(Number(says.split(" ")[0]), stored);
  const { commit, flush } = crashCommit(stored, crashSeries());
  await store.commit(commit, flush);
  assert.equal(await checkCrashCommits(store), stored + 1);
  await store.close();
});

test("open() is refused while another process has the partition", async (folder) => {
  const child = startChild(folder);
  await child.lines.next();
  await assert.rejects(open(folder), { name: "StoreError", code: "RTA_STORE_LOCKED" });
  child.process.kill("SIGKILL");
  await child.lines.return(undefined);
  await child.process.status;
  await (await open(folder)).close();
});

test("open() waits for a lock that is let go a moment later, as by a program that was started", async (folder) => {
  await (await open(folder)).close();
  const copy = Deno.openSync(`${folder}/events-000.duckdb.lock`, { write: true });
  assert.ok(copy.tryLockSync(true));
  const opening = open(folder);
  await someTime(50);
  copy.close();
  await (await opening).close();
});

test("open() works in another process as soon as close() has resolved", async (folder) => {
  const store = await open(folder);
  const big = Array.from({ length: 40 }, () => store.rowsInRange(0, Infinity, null));
  await store.commit(commitOf(testRows(3000), 0, new TestSeries()), null);
  await Promise.all(big);
  await assert.rejects(store.recentIds(0, () => {
    throw new Error("an abandoned read");
  }));
  await store.close();
  await commitUntilKilled(folder, 1);
});

test("open() refuses a file of another format and says what to do", async (folder) => {
  await (await open(folder)).close();
  for (const [format, fix] of [[99, /or a later one/], [0, /move the data folder away/]] as const) {
    await editFile(`${folder}/events-000.duckdb`, `UPDATE state SET format = ${format}`);
    await assert.rejects(open(folder), (error: Error & { code: string }) => {
      assert.equal(error.code, "RTA_STORE_FORMAT");
      assert.match(error.message, fix);
      return true;
    });
  }
});

test("open() says that the file is corrupt when it is none of DuckDB's", async (folder) => {
  await Deno.writeTextFile(`${folder}/events-003.duckdb`, "x".repeat(50_000));
  await assert.rejects(open(folder, 3), { name: "StoreError", code: "RTA_STORE_CORRUPT" });
});

test("open() begins anew when a crash left an empty file", async (folder) => {
  await Deno.writeFile(`${folder}/events-000.duckdb`, new Uint8Array(0));
  const store = await open(folder);
  assert.equal((await store.load()).nextSeq, 0);
  await store.close();
});

test("open() says why when the folder cannot be made", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  await assert.rejects(open(`${folder}/file/data`), { code: "RTA_STORE_UNAVAILABLE" });
});

test("open() takes a folder with a quote in its name", async (folder) => {
  await (await open(`${folder}/it's data`)).close();
});

test("makes its sums by session anew when their file is lost, broken or of other rows", async (folder) => {
  const [file, others] = [`${folder}/events-000.duckdb.sessions`, `${folder}/others`];
  const other = await open(others);
  await other.commit(commitOf(testRows(3_000, 7), 0, new TestSeries()), null);
  await askUntilSummed(other, `${others}/events-000.duckdb.sessions`);
  await other.close();
  const store = await open(folder);
  await store.commit(commitOf(testRows(2_000), 0, new TestSeries()), null);
  await askUntilSummed(store, file);
  await store.close();
  const anew = "sums of sessions are made anew";
  const spoils = [
    { spoil: () => Deno.remove(file), tells: [] },
    { spoil: () => Deno.writeTextFile(file, "x".repeat(50_000)), tells: [anew] },
    { spoil: () => Deno.copyFile(`${others}/events-000.duckdb.sessions`, file), tells: [anew] },
    { spoil: () => Promise.resolve(), tells: [] },
  ];
  for (const { spoil, tells } of spoils) {
    await spoil();
    const told: string[] = [];
    const again = await open(folder, 0, told);
    await askUntilSummed(again, file);
    await again.close();
    assert.deepEqual(told, tells);
  }
});

test("answers without its sums by session, and says so, when they can't be opened", async (folder) => {
  // A folder with something in it, where the file belongs.
  await Deno.mkdir(`${folder}/events-000.duckdb.sessions/sub`, { recursive: true });
  const told: string[] = [];
  const store = await open(folder, 0, told);
  await store.commit(commitOf(testRows(2_000), 0, new TestSeries()), null);
  await askUntilSummed(store, null);
  await store.close();
  assert.deepEqual(told, [
    "sums of sessions are made anew",
    "sums of sessions can't be opened: rows are read in their place",
  ]);
});

/** Asks for one of 2,000 rows' users until there is a file of sums, which null says never will be. */
async function askUntilSummed(store: PartitionStore, file: string | null): Promise<void> {
  const events = Math.ceil((store.nextSeq - 3) / 7);
  for (let asked = 0; asked < 5; asked++) {
    assert.equal(await crashUserEvents(store, 3), events);
    assert.ok(file === null || Deno.statSync(file).isFile);
  }
}

test("close() leaves nothing but the file and its lock", async (folder) => {
  const store = await open(folder);
  await store.commit(commitOf(testRows(30_000), 0, new TestSeries()), null);
  await store.close();
  const names = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
  assert.deepEqual(names, ["events-000.duckdb", "events-000.duckdb.lock"]);
});

test("append() lets the event loop turn when there are many rows", async (folder) => {
  const file = await DuckdbFile.open(`${folder}/events.duckdb`, duckdbSettings(32).config);
  const batch = batchOf(testRows(100_000), 0, new TestSeries());
  await native.query(file.writer.connection, "BEGIN");
  let turns = 0, done = false;
  const turning = (async () => {
    for (; !done; turns++) await nextTurn();
  })();
  await file.writer.rows.append(batch);
  done = true;
  assert.ok(turns >= 5, `${turns} turns`);
  await turning;
  file.close();
});

test("commit() keeps the file small when it replaces the same cells", async (folder) => {
  const store = await open(folder);
  const nothing = commitOf([], 0, new TestSeries());
  const users = new Uint8Array(16_384);
  let largest = 0;
  for (let round = 0; round < 200; round++) {
    crypto.getRandomValues(users);
    const cells = Array.from({ length: 20 }, (_, i) => testCell(i, 1, { users, sessions: users }));
    await store.commit(nothing, { cells });
    largest = Math.max(largest, store.sizeBytes());
  }
  assert.ok(largest < 16e6, `${largest} bytes, after 130 MB of cells`);
  await store.close();
});

/** Runs the child on the folder until it has printed `lines` commits; answers the last number. */
async function commitUntilKilled(folder: string, lines: number): Promise<number> {
  const child = startChild(folder);
  let last = "";
  for (let i = 0; i <= lines; i++) last = (await child.lines.next()).value ?? "ended";
  child.process.kill("SIGKILL");
  // What it printed before it died counts too.
  for await (const line of child.lines) last = line;
  await child.process.status;
  return Number(last);
}

function startChild(folder: string) {
  const script = new URL("commit_until_killed.ts", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--cached-only", script, folder],
    stdout: "piped",
  }).spawn();
  return { process, lines: linesOf(process.stdout) };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  return undefined;
}

/** Runs one statement on a closed partition's file. */
async function editFile(path: string, sql: string): Promise<void> {
  const database = await native.open(path, native.create_config());
  const connection = await native.connect(database);
  await native.query(connection, sql);
  native.disconnect_sync(connection);
  native.close_sync(database);
}
