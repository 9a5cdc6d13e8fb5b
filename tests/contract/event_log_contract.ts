/**
 * What every EventLog adapter must do (lib/log/event_log.ts), as tests: call eventLogContract in a
 * test file with the adapter. Records may be joined or not, so content is compared by events.
 */
import assert from "node:assert/strict";
import {
  type AppendBatch,
  type EventLogReader,
  linePlace,
  LogError,
  type LogRecord,
} from "../../lib/log/event_log.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { appendModelProperty } from "./event_log_model.ts";
import type { LogAdapter } from "./log_adapter.ts";

const PARTITIONS = 4;
const BYTES_ENOUGH = 1 << 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Registers the suite for one adapter. */
export function eventLogContract(adapter: LogAdapter): void {
  orderTests(adapter);
  durabilityTests(adapter);
  readTests(adapter);
  placeTests(adapter);
  waitTests(adapter);
  if (adapter.trims) trimTests(adapter);
  errorTests(adapter);
  Deno.test(adapter.test(
    `${adapter.name} log equals plain arrays when used in any order`,
    () => appendModelProperty(adapter),
  ));
}

function orderTests(adapter: LogAdapter): void {
  test(adapter, "read() gives every partition's events in the order of appends", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    const expected: string[][] = [[], [], [], []];
    for (let i = 0; i < 40; i++) {
      const batches = [batch(i % PARTITIONS, [`a${i}`]), batch((i * 7) % PARTITIONS, [`b${i}`])];
      await writer.append(batches);
      for (const { partition, value } of batches) expected[partition].push(textOf(value));
    }
    const reader = await adapter.openReader(place);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const records = await readAll(reader, partition, 0, 100);
      assertContiguous(adapter, records, 0);
      assert.equal(
        records.map((record) => textOf(record.value)).join(""),
        expected[partition].join(""),
      );
      assert.equal(records.at(-1)?.nextOffset ?? 0, writer.highWater(partition));
      assert.equal(reader.highWater(partition), writer.highWater(partition));
    }
    await reader.close();
    await writer.close();
  });

  test(adapter, "read() keeps project, count and arrival of what was appended", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    await writer.append([
      { ...batch(1, ["x", "y"]), project: "één", receivedAtMs: 1_700_000_000_123.5 },
      { ...batch(1, ["z"]), project: "two", receivedAtMs: 1_700_000_000_124 },
    ]);
    const reader = await adapter.openReader(place);
    const records = await readAll(reader, 1, 0, BYTES_ENOUGH);
    const seen = records.map(({ project, events, receivedAtMs }) => ({
      project,
      events,
      receivedAtMs,
    }));
    assert.deepEqual(seen, [
      { project: "één", events: 2, receivedAtMs: 1_700_000_000_123.5 },
      { project: "two", events: 1, receivedAtMs: 1_700_000_000_124 },
    ]);
    await reader.close();
    await writer.close();
  });

  test(
    adapter,
    "read() gives the trace of each event, however records are joined",
    async (place) => {
      const writer = await adapter.openWriter(place, PARTITIONS);
      const [one, two] = ["1", "2"].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
      const traces = [one, one, null, null, two, one, null];
      await writer.append(traces.map((traceparent, i) => ({ ...batch(1, [`${i}`]), traceparent })));
      await writer.append([{ ...batch(1, ["7", "8"]), traceparent: two }]);
      const reader = await adapter.openReader(place);
      const seen = (await readAll(reader, 1, 0, BYTES_ENOUGH)).flatMap(({ traceparent, value }) =>
        textOf(value).trim().split("\n").map((line) => [line, traceparent ?? null])
      );
      assert.deepEqual(seen, [...traces, two, two].map((trace, i) => [`${i}`, trace]));
      await reader.close();
      await writer.close();
    },
  );
}

function durabilityTests(adapter: LogAdapter): void {
  test(adapter, "append() is on disk once resolved when the process is killed", async (place) => {
    const child = new Child(adapter, place, 1_000_000);
    await child.ackedAtLeast(25);
    child.process.kill("SIGKILL");
    const acked = await child.ended();
    const writer = await adapter.openWriter(place, PARTITIONS);
    const reader = await adapter.openReader(place);
    const records = await readAll(reader, 0, 0, BYTES_ENOUGH);
    const events = records.reduce((sum, record) => sum + record.events, 0);
    assert.ok(events >= acked, `${acked} were acknowledged, ${events} are there`);
    assertNumbered(records);
    assert.equal(writer.highWater(0), events);
    await writer.append([batch(0, [JSON.stringify({ n: events })])]);
    assertNumbered(await readAll(reader, 0, 0, BYTES_ENOUGH));
    await reader.close();
    await writer.close();
  });

  test(
    adapter,
    "read() sees whole appends in order while another process writes",
    async (place) => {
      const appends = 300;
      const child = new Child(adapter, place, appends);
      await child.ackedAtLeast(1);
      const reader = await adapter.openReader(place);
      const records: LogRecord[] = [];
      // Many reads at the very end of what is written: that is where reading and writing meet.
      await waitUntil(async () => {
        for (let i = 0; i < 100; i++) {
          records.push(...await reader.read(0, records.at(-1)?.nextOffset ?? 0, 64));
        }
        return records.at(-1)?.nextOffset === appends;
      }, { what: "all appends of the other process" });
      assertNumbered(records);
      await reader.close();
      await child.ended();
    },
  );
}

function readTests(adapter: LogAdapter): void {
  test(adapter, "read() stops at the record that reaches maxBytes", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    for (let i = 0; i < 20; i++) await writer.append([batch(2, [`${i}`.padStart(99)])]);
    const reader = await adapter.openReader(place);
    for (const maxBytes of [1, 100, 101, 250, 5000]) {
      const records = await reader.read(2, 0, maxBytes);
      const before = records.slice(0, -1).reduce((sum, record) => sum + record.value.length, 0);
      assert.ok(records.length >= 1);
      assert.ok(before < maxBytes, `${before} bytes before the last record, ${maxBytes} asked`);
    }
    await reader.close();
    await writer.close();
  });

  test(adapter, "read() goes on at any offset that a record named", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    for (let i = 0; i < 30; i++) await writer.append([batch(3, [`a${i}`, `b${i}`].slice(i % 2))]);
    const reader = await adapter.openReader(place);
    const all = await readAll(reader, 3, 0, BYTES_ENOUGH);
    for (const [index, record] of all.entries()) {
      const rest = await readAll(reader, 3, record.offset, 50);
      assert.equal(rest.map(lineText).join(""), all.slice(index).map(lineText).join(""));
      const after = await readAll(reader, 3, record.nextOffset, 50);
      assert.equal(after.map(lineText).join(""), all.slice(index + 1).map(lineText).join(""));
    }
    await reader.close();
    await writer.close();
  });
}

function placeTests(adapter: LogAdapter): void {
  test(adapter, "read() tells each line's place, however it is read", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    for (let i = 0; i < 12; i++) {
      await writer.append([batch(1, [`a${i}`]), batch(1, [`b${i}`, `c${i}`]), batch(0, ["x"])]);
      await writer.append([{ ...batch(1, [`d${i}`]), project: "other" }]);
    }
    const reader = await adapter.openReader(place);
    const records = await readAll(reader, 1, 0, BYTES_ENOUGH);
    const places = placesOf(records);
    assert.equal(places.size, 48);
    assert.equal(new Set(places.values()).size, 48);
    for (const { offset } of records) {
      for (const [line, where] of placesOf(await readAll(reader, 1, offset, 1))) {
        assert.equal(where, places.get(line), `the place of ${line} read from ${offset}`);
      }
    }
    await reader.close();
    await writer.close();
  });

  test(adapter, "read() calls what we wrote lines of our own", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    await writer.append([batch(1, ["x", "y"]), batch(1, ["z"])]);
    const reader = await adapter.openReader(place);
    for (const { format = "ndjson", foreign = false } of await reader.read(1, 0, BYTES_ENOUGH)) {
      assert.deepEqual({ format, foreign }, { format: "ndjson", foreign: false });
    }
    await reader.close();
    await writer.close();
  });
}

function waitTests(adapter: LogAdapter): void {
  test(adapter, "appended() resolves when something is appended after the token", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    const reader = await adapter.openReader(place);
    const token = reader.token();
    let woken = false;
    const wait = reader.appended(token).then(() => woken = true);
    assert.equal((await reader.read(0, 0, BYTES_ENOUGH)).length, 0);
    assert.equal(woken, false);
    await writer.append([batch(0, ["x"])]);
    await withDeadline(wait, { what: "the wait" });
    assert.equal((await reader.read(0, 0, BYTES_ENOUGH)).length, 1);
    await withDeadline(reader.appended(token), { what: "a wait that is over" });
    await reader.close();
    await writer.close();
  });

  test(adapter, "close() resolves what waits in appended()", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    const [reader, other] = [await adapter.openReader(place), await adapter.openReader(place)];
    const token = other.token();
    const wait = reader.appended(reader.token());
    const otherWait = other.appended(token);
    await reader.close();
    await withDeadline(wait, { what: "the wait" });
    await writer.append([batch(0, ["x"])]);
    await withDeadline(otherWait, { what: "the other reader's wait" });
    await other.close();
    await writer.close();
  });
}

function trimTests(adapter: LogAdapter): void {
  test(adapter, "trim() forgets only records that are stored and old", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    for (let i = 0; i < 10; i++) {
      await writer.append([
        { ...batch(0, [`${i}`]), receivedAtMs: 100 + i },
        { ...batch(1, [`${i}`]), receivedAtMs: 100 + i },
      ]);
    }
    const reader = await adapter.openReader(place);
    assert.equal(await trimAll(writer, [8, 3, 0, 0], 105), 5 + 3);
    assert.equal((await reader.read(0, 0, BYTES_ENOUGH))[0].offset, 5);
    assert.equal((await reader.read(1, 0, BYTES_ENOUGH))[0].offset, 3);
    assertContiguous(adapter, await readAll(reader, 0, 5, 1), 5);
    assert.equal(await trimAll(writer, [8, 3, 0, 0], 105), 0);
    await reader.close();
    await writer.close();
  });

  test(adapter, "highWater() goes on where it was when all was trimmed", async (place) => {
    let writer = await adapter.openWriter(place, PARTITIONS);
    await writer.append([batch(2, ["a", "b", "c"])]);
    await trimAll(writer, [0, 0, 3, 0], 1e15);
    await writer.close();
    writer = await adapter.openWriter(place, PARTITIONS);
    const reader = await adapter.openReader(place);
    assert.equal(writer.highWater(2), 3);
    assert.deepEqual(await reader.read(2, 3, BYTES_ENOUGH), []);
    assert.deepEqual(await reader.read(2, 0, BYTES_ENOUGH), []);
    await writer.append([batch(2, ["d"])]);
    const records = await reader.read(2, 3, BYTES_ENOUGH);
    assert.deepEqual(records.map(({ offset, nextOffset }) => [offset, nextOffset]), [[3, 4]]);
    await reader.close();
    await writer.close();
  });
}

function errorTests(adapter: LogAdapter): void {
  test(adapter, "openWriter() refuses when the number of partitions changed", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    await writer.close();
    await assert.rejects(
      adapter.openWriter(place, PARTITIONS + 1),
      withCode("RTA_LOG_PARTITIONS_CHANGED"),
    );
  });

  test(adapter, "openReader() is unavailable when there is no log", async (place) => {
    await assert.rejects(adapter.openReader(place), withCode("RTA_LOG_UNAVAILABLE"));
  });

  test(adapter, "read() reports a lost log when asked from beyond its end", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    await writer.append([batch(0, ["x"])]);
    const reader = await adapter.openReader(place);
    assert.deepEqual(await reader.read(0, 1, BYTES_ENOUGH), []);
    await assert.rejects(reader.read(0, 2, BYTES_ENOUGH), withCode("RTA_LOG_CORRUPT"));
    await reader.close();
    await writer.close();
  });

  test(adapter, "append() breaks off when a batch is malformed", async (place) => {
    const writer = await adapter.openWriter(place, PARTITIONS);
    const good = batch(0, ["x"]);
    const malformed: AppendBatch[] = [
      { ...good, partition: PARTITIONS },
      { ...good, partition: -1 },
      { ...good, events: 0 },
      { ...good, value: encoder.encode("no newline") },
    ];
    for (const bad of malformed) {
      await assert.rejects(writer.append([bad]), assert.AssertionError);
    }
    await writer.append([good]);
    assert.equal(writer.highWater(0), 1);
    await writer.close();
  });
}

/** The process of append_until_killed.ts. */
class Child {
  readonly process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #acked = 0;

  constructor(adapter: LogAdapter, location: string, appends: number) {
    const program = new URL("./append_until_killed.ts", import.meta.url).pathname;
    this.process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "-q", program, adapter.moduleUrl, location, `${appends}`],
      stdout: "piped",
    }).spawn();
    this.#lines = this.process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits for that many acknowledgements. */
  async ackedAtLeast(count: number): Promise<void> {
    while (this.#acked < count) assert.ok(await this.#readMore(), "the child has ended");
  }

  /** Waits for its end; returns how many appends it acknowledged in all. */
  async ended(): Promise<number> {
    while (await this.#readMore());
    await this.process.status;
    return this.#acked;
  }

  async #readMore(): Promise<boolean> {
    const { done, value } = await this.#lines.read();
    this.#acked += value?.split("\n").length ?? 1;
    this.#acked -= 1;
    return !done;
  }
}

function test(adapter: LogAdapter, name: string, body: (place: string) => Promise<void>): void {
  Deno.test(adapter.test(`${adapter.name} log ${name}`, async () => {
    const place = await adapter.makeLocation();
    try {
      await body(place);
    } finally {
      await adapter.removeLocation(place);
    }
  }));
}

function batch(partition: number, lines: readonly string[]): AppendBatch {
  const value = encoder.encode(lines.map((line) => `${line}\n`).join(""));
  return { partition, project: "p", receivedAtMs: 1, events: lines.length, value };
}

async function readAll(
  reader: EventLogReader,
  partition: number,
  from: number,
  maxBytes: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let offset = from;;) {
    const more = await reader.read(partition, offset, maxBytes);
    if (more.length === 0) return records;
    records.push(...more);
    offset = more[more.length - 1].nextOffset;
  }
}

async function trimAll(
  writer: { trim(stored: readonly number[], before: number): Promise<number> },
  stored: readonly number[],
  receivedBeforeMs: number,
): Promise<number> {
  let total = 0;
  for (;;) {
    const trimmed = await writer.trim(stored, receivedBeforeMs);
    if (trimmed === 0) return total;
    total += trimmed;
  }
}

function assertContiguous(
  { offsetsCount }: LogAdapter,
  records: readonly LogRecord[],
  from: number,
): void {
  let offset = from;
  for (const record of records) {
    assert.equal(record.offset, offset);
    assert.equal(record.nextOffset, offset + (offsetsCount === "events" ? record.events : 1));
    offset = record.nextOffset;
  }
}

/** The events of append_until_killed.ts, from the first on. */
function assertNumbered(records: readonly LogRecord[]): void {
  const lines = records.map(lineText).join("").trimEnd().split("\n");
  for (const [index, line] of lines.entries()) assert.equal(JSON.parse(line).n, index);
}

/** Where every line stands, as text. */
function placesOf(records: readonly LogRecord[]): Map<string, string> {
  const places = new Map<string, string>();
  for (const record of records) {
    const lines = lineText(record).trimEnd().split("\n");
    assert.equal(lines.length, record.events);
    lines.forEach((line, index) => {
      const { offset, line: inRecord } = linePlace(record, index);
      assert.ok(offset >= record.offset && offset < record.nextOffset);
      places.set(line, `${offset}-${inRecord}`);
    });
  }
  return places;
}

function lineText(record: LogRecord): string {
  return textOf(record.value);
}

function textOf(value: Uint8Array): string {
  return decoder.decode(value);
}

function withCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof LogError && error.code === code;
}
