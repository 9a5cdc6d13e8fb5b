/** From the producer through the rings and the writer worker into the log, all of it real. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { LogError } from "../../lib/log/event_log.ts";
import { LineRanges } from "../../lib/log/line_ranges.ts";
import { createLogSignal, logPath, openSqliteLogReader } from "../../lib/log/sqlite/mod.ts";
import { createRing } from "../../lib/ring/ring.ts";
import { DurableProducer, OverloadedError } from "../../services/ingestion/durable_producer.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import type { WriterReply, WriterRequest } from "../../workers/writer_port.ts";

const PARTITIONS = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A running worker, the producer before it and the folder behind it. */
class Running {
  readonly folder = Deno.makeTempDirSync({ prefix: "rta_writer_" });
  readonly signal = createLogSignal(PARTITIONS);
  readonly health = new Int32Array(new SharedArrayBuffer(8));
  readonly replies: WriterReply[] = [];
  readonly producer: DurableProducer;
  readonly #worker = new Worker(new URL("../../workers/writer.ts", import.meta.url), {
    type: "module",
  });
  readonly #ring: SharedArrayBuffer;
  readonly #acks = createRing(1 << 12);

  constructor(ringBytes = 1 << 20) {
    this.#ring = createRing(ringBytes);
    this.producer = new DurableProducer({
      ring: this.#ring,
      acks: this.#acks,
      partitions: PARTITIONS,
    });
    this.#worker.onmessage = ({ data }) => this.replies.push(data);
  }

  start(): Promise<WriterReply> {
    this.send({
      kind: "start",
      log: {
        kind: "sqlite",
        folder: this.folder,
        partitions: PARTITIONS,
        signal: this.signal,
      },
      logLevel: "silent",
      ring: this.#ring,
      acks: this.#acks,
      health: this.health.buffer as SharedArrayBuffer,
      healthIndex: 1,
    });
    return this.reply("ready", "failed");
  }

  send(request: WriterRequest): void {
    this.#worker.postMessage(request);
  }

  /** Waits for a reply of one of these kinds. */
  reply(...kinds: WriterReply["kind"][]): Promise<WriterReply> {
    const find = () => this.replies.find((reply) => kinds.includes(reply.kind));
    return waitUntil(find, { what: `the writer's ${kinds.join(" or ")}` });
  }

  /** All lines of a partition, as the log has them. */
  async lines(partition: number): Promise<string[]> {
    const reader = await openSqliteLogReader({ folder: this.folder, signal: this.signal });
    let text = "";
    for (let offset = 0;;) {
      const records = await reader.read(partition, offset, 1 << 20);
      if (records.length === 0) break;
      for (const record of records) text += decoder.decode(record.value);
      offset = records[records.length - 1].nextOffset;
    }
    await reader.close();
    return text === "" ? [] : text.trimEnd().split("\n");
  }

  async stop(): Promise<void> {
    this.send({ kind: "stop" });
    await this.reply("stopped");
    await this.end();
  }

  async end(): Promise<void> {
    this.producer.close();
    this.#worker.terminate();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function part(partition: number, texts: readonly string[]) {
  const lines = new LineRanges();
  for (const text of texts) {
    const bytes = encoder.encode(text);
    lines.add(bytes, 0, bytes.length);
  }
  return { partition, project: "p", receivedAtMs: 1, lines };
}

Deno.test("writer answers 10,000 appends at once when all are in the log in order", async () => {
  const running = new Running(1 << 22);
  assert.deepEqual(await running.start(), { kind: "ready", partitions: PARTITIONS });
  const expected: string[][] = Array.from({ length: PARTITIONS }, () => []);
  const appends: Promise<void>[] = [];
  for (let i = 0; i < 10_000; i++) {
    const text = `{"n":${i},"pad":"${"x".repeat(i % 200)}"}`;
    appends.push(running.producer.append(part(i % PARTITIONS, [text])));
    expected[i % PARTITIONS].push(text);
  }
  await withDeadline(Promise.all(appends), { what: "10,000 answers" });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    assert.deepEqual(await running.lines(partition), expected[partition]);
  }
  assert.equal(running.producer.inFlight, 0);
  await running.stop();
});

Deno.test("writer takes up work again when it slept and when it was behind", async () => {
  const running = new Running(1 << 16);
  await running.start();
  let [durable, overloaded] = [0, 0];
  for (let round = 0; round < 20; round++) {
    const appends = Array.from(
      { length: 30 },
      () => running.producer.append(part(0, ["x".repeat(5000)])),
    );
    const results = await withDeadline(Promise.allSettled(appends), { what: "a round" });
    for (const result of results) {
      if (result.status === "fulfilled") durable++;
      else if (result.reason instanceof OverloadedError) overloaded++;
    }
  }
  assert.equal(durable + overloaded, 600);
  assert.ok(durable >= 20 * 12 && overloaded > 0, `${durable} durable, ${overloaded} overloaded`);
  assert.equal((await running.lines(0)).length, durable);
  await running.stop();
});

Deno.test("writer refuses with the log's code and goes on when the log failed for a while", async () => {
  const running = new Running();
  await running.start();
  const other = new DatabaseSync(logPath(running.folder));
  other.exec("BEGIN IMMEDIATE");
  const refused = await Promise.allSettled([
    running.producer.append(part(0, ["a"])),
    running.producer.append(part(1, ["b"])),
  ]);
  for (const result of refused) {
    assert.ok(result.status === "rejected" && result.reason instanceof LogError);
    assert.equal(result.reason.code, "RTA_LOG_UNAVAILABLE");
  }
  other.exec("ROLLBACK");
  other.close();
  await withDeadline(running.producer.append(part(0, ["c"])), { what: "the next append" });
  assert.deepEqual(await running.lines(0), ["c"]);
  await running.reply("append_recovered");
  assert.deepEqual(
    running.replies.map((reply) => reply.kind),
    ["ready", "append_failed", "append_recovered"],
  );
  await running.stop();
});

Deno.test("writer drains the ring before it stops", async () => {
  const running = new Running(1 << 22);
  await running.start();
  const appends = Array.from(
    { length: 1000 },
    (_, i) => running.producer.append(part(2, [`${i}`, "y".repeat(1000)])),
  );
  running.send({ kind: "stop" });
  await running.reply("stopped");
  await withDeadline(Promise.all(appends), { what: "what was in the ring" });
  assert.equal((await running.lines(2)).length, 2000);
  await running.end();
});

Deno.test("writer trims between commits and says how much", async () => {
  const running = new Running(1 << 22);
  await running.start();
  for (let i = 0; i < 50; i++) await running.producer.append(part(1, [`${i}`]));
  running.send({ kind: "trim", storedOffsets: [0, 40, 0, 0], receivedBeforeMs: 2 });
  const trimmed = await running.reply("trimmed");
  assert.deepEqual(trimmed, { kind: "trimmed", records: 40, code: null });
  assert.equal((await running.lines(1))[0], "40");
  await running.stop();
});

Deno.test("writer counts up its heartbeat while it has nothing to do", async () => {
  const running = new Running();
  await running.start();
  await waitUntil(() => Atomics.load(running.health, 1) >= 2, { what: "two heartbeats" });
  assert.equal(Atomics.load(running.health, 0), 0);
  await running.stop();
});

Deno.test("writer says why when the log cannot be opened", async () => {
  const running = new Running();
  await Deno.writeTextFile(logPath(running.folder), "no database".repeat(1000));
  const failed = await running.start();
  assert.ok(failed.kind === "failed");
  assert.equal(failed.code, "RTA_LOG_CORRUPT");
  await running.end();
});
