/** What is the embedded log's own; what every log does is in tests/contract/event_log_contract.ts. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { LOG_WAL_BYTES_MAX } from "../../config/limits.ts";
import {
  type AppendBatch,
  type EventLogReader,
  type EventLogWriter,
  LogError,
} from "../event_log.ts";
import { releaseRecords } from "../release_records.ts";
import {
  createLogSignal,
  logPath,
  madePartitions,
  openSqliteLogReader,
  openSqliteLogWriter,
} from "./mod.ts";

const MIB = 1 << 20;
const encoder = new TextEncoder();

function lines(partition: number, count: number, project = "p"): AppendBatch {
  const value = encoder.encode("{}\n".repeat(count));
  return { partition, project, receivedAtMs: 1, events: count, value };
}

function bulk(partition: number, bytes: number): AppendBatch {
  const value = new Uint8Array(bytes).fill(0x78);
  value[bytes - 1] = 0x0a;
  return { partition, project: "p", receivedAtMs: 1, events: 1, value };
}

function withCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof LogError && error.code === code && error.cause !== undefined;
}

interface Opened {
  readonly folder: string;
  readonly signal: SharedArrayBuffer;
  readonly writer: EventLogWriter;
  readonly reader: EventLogReader;
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "rta_log_" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function withLog(body: (log: Opened) => Promise<void>, fileBytesMax?: number): Promise<void> {
  return inFolder(async (folder) => {
    const signal = createLogSignal(2);
    const writer = await openSqliteLogWriter({ folder, partitions: 2, signal, fileBytesMax });
    const reader = await openSqliteLogReader({ folder, signal });
    try {
      await body({ folder, signal, writer, reader });
    } finally {
      await reader.close();
      await writer.close();
    }
  });
}

Deno.test("append() joins neighbours of one project and partition when they come together", () =>
  withLog(async ({ writer, reader }) => {
    const batches = [lines(0, 1), lines(1, 2), lines(0, 3), lines(0, 1, "q"), lines(0, 1)];
    await writer.append(batches);
    const shape = (await reader.read(0, 0, MIB)).map(({ project, events }) => [project, events]);
    assert.deepEqual(shape, [["p", 4], ["q", 1], ["p", 1]]);
    assert.deepEqual((await reader.read(1, 0, MIB)).map(({ events }) => events), [2]);
  }));

Deno.test("append() keeps records bounded when much comes together", () =>
  withLog(async ({ writer, reader }) => {
    await writer.append([bulk(0, MIB / 2), bulk(0, MIB / 2), bulk(0, 1), bulk(0, MIB), bulk(0, 2)]);
    const records = await reader.read(0, 0, 16 * MIB);
    assert.deepEqual(records.map(({ value }) => value.length), [MIB, 1, MIB, 2]);
  }));

Deno.test("append() leaves nothing behind and can go on when the file is locked", () =>
  withLog(async ({ folder, writer, reader }) => {
    const other = new DatabaseSync(logPath(folder));
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(writer.append([lines(0, 1)]), withCode("RTA_LOG_UNAVAILABLE"));
    assert.equal(writer.highWater(0), 0);
    other.exec("ROLLBACK");
    other.close();
    await writer.append([lines(0, 2)]);
    assert.equal((await reader.read(0, 0, MIB))[0].nextOffset, 2);
  }));

Deno.test("append() never overwrites when a second writer has the same log", () =>
  withLog(async ({ folder, writer, reader }) => {
    const signal = createLogSignal(2);
    const second = await openSqliteLogWriter({ folder, partitions: 2, signal });
    await second.append([lines(0, 3)]);
    await second.close();
    await assert.rejects(
      writer.append([lines(1, 1), lines(0, 1)]),
      withCode("RTA_LOG_UNAVAILABLE"),
    );
    assert.deepEqual((await reader.read(0, 0, MIB)).map(({ events }) => events), [3]);
    assert.deepEqual(await reader.read(1, 0, MIB), []);
  }));

Deno.test("append() is full at the size limit and works again when trim() made room", () =>
  withLog(async ({ writer }) => {
    const fill = async () => {
      for (;;) await writer.append([bulk(0, MIB / 4)]);
    };
    await assert.rejects(fill(), withCode("RTA_LOG_FULL"));
    const reached = writer.highWater(0);
    assert.ok(reached >= 10 && reached < 16, `${reached} records in 4 MiB`);
    assert.equal(await writer.trim([reached, 0], 2), reached);
    await writer.append([bulk(0, MIB / 4)]);
    assert.equal(writer.highWater(0), reached + 1);
  }, 4 * MIB));

Deno.test("trim() gives space back to the file system when most of the file is free", () =>
  inFolder(async (folder) => {
    const signal = createLogSignal(2);
    const writer = await openSqliteLogWriter({ folder, partitions: 2, signal });
    for (let i = 0; i < 6; i++) await writer.append([bulk(0, MIB), bulk(1, 4 * MIB)]);
    for (let i = 0; i < 12; i++) await writer.trim([6, 5], 2);
    await writer.close();
    const { size } = await Deno.stat(logPath(folder));
    assert.ok(size < 16 * MIB, `${size} bytes after trimming to 4 MiB`);
  }));

Deno.test("append() bounds the WAL when readers never pause", () =>
  withLog(async ({ folder, writer, reader }) => {
    let offset = 0;
    for (let i = 0; i < 25; i++) {
      await writer.append([bulk(0, 4 * MIB)]);
      const records = await reader.read(0, offset, 1);
      offset = records[0].nextOffset;
      releaseRecords(records);
    }
    const { size } = await Deno.stat(`${logPath(folder)}-wal`);
    assert.ok(size <= LOG_WAL_BYTES_MAX + 9 * MIB, `${size} bytes of WAL`);
  }));

Deno.test("openSqliteLogWriter() finds the file corrupt when it is no database", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(logPath(folder), "this is not a database, ".repeat(1000));
    const signal = createLogSignal(2);
    const writing = openSqliteLogWriter({ folder, partitions: 2, signal });
    await assert.rejects(writing, withCode("RTA_LOG_CORRUPT"));
    await assert.rejects(openSqliteLogReader({ folder, signal }), withCode("RTA_LOG_CORRUPT"));
  }));

Deno.test("openSqliteLogWriter() is unavailable when the folder cannot be made", () =>
  inFolder(async (parent) => {
    await Deno.writeTextFile(`${parent}/file`, "");
    const folder = `${parent}/file/data`;
    const signal = createLogSignal(2);
    const writing = openSqliteLogWriter({ folder, partitions: 2, signal });
    await assert.rejects(writing, withCode("RTA_LOG_UNAVAILABLE"));
  }));

Deno.test("read() finds the log corrupt when a record is missing", () =>
  withLog(async ({ folder, writer, reader }) => {
    for (let i = 0; i < 5; i++) await writer.append([lines(0, 2)]);
    const other = new DatabaseSync(logPath(folder));
    other.exec(`DELETE FROM records_0 WHERE "offset" = 4`);
    other.close();
    for (const from of [0, 2, 4]) {
      await assert.rejects(reader.read(0, from, MIB), (error) => {
        return error instanceof LogError && error.code === "RTA_LOG_CORRUPT";
      });
    }
    assert.equal((await reader.read(0, 6, MIB)).length, 2);
    await assert.rejects(reader.read(0, 7, MIB), RangeError);
  }));

Deno.test("highWater() is known to readers when a writer opens an existing log", () =>
  inFolder(async (folder) => {
    const first = createLogSignal(2);
    const writer = await openSqliteLogWriter({ folder, partitions: 2, signal: first });
    await writer.append([lines(1, 7)]);
    await writer.close();
    const signal = createLogSignal(2);
    const again = await openSqliteLogWriter({ folder, partitions: 2, signal });
    const reader = await openSqliteLogReader({ folder, signal });
    assert.deepEqual([reader.highWater(0), reader.highWater(1)], [0, 7]);
    await reader.close();
    await again.close();
  }));

Deno.test("openSqliteLogWriter() brings a log of the format without traces up to date", async () => {
  const folder = await Deno.makeTempDir({ prefix: "rta-log-" });
  try {
    const old = new DatabaseSync(logPath(folder));
    old.exec(`
      CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);
      INSERT INTO meta VALUES ('format', 1), ('partitions', 1);
      CREATE TABLE partitions (partition INTEGER PRIMARY KEY, trimmed_to INTEGER NOT NULL);
      INSERT INTO partitions VALUES (0, 0);
      CREATE TABLE records_0 (
        "offset" INTEGER PRIMARY KEY, events INTEGER NOT NULL, project TEXT NOT NULL,
        received_at REAL NOT NULL, value BLOB NOT NULL);
      INSERT INTO records_0 VALUES (0, 1, 'p', 5, X'7b7d0a')`);
    old.close();
    assert.equal(madePartitions(folder), 1);
    const signal = createLogSignal(1);
    const value = new TextEncoder().encode("{}\n");
    const traceparent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
    for (let opened = 0; opened < 2; opened++) {
      const writer = await openSqliteLogWriter({ folder, partitions: 1, signal });
      const batch = { partition: 0, project: "p", receivedAtMs: 6, events: 1, value };
      await writer.append([{ ...batch, traceparent }]);
      await writer.close();
    }
    const reader = await openSqliteLogReader({ folder, signal });
    const records = await reader.read(0, 0, 1_000);
    assert.deepEqual(
      records.map((record) => [record.offset, record.receivedAtMs, record.traceparent]),
      [[0, 5, undefined], [1, 6, traceparent], [2, 6, traceparent]],
    );
    await reader.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
