/** The pace of a shard's loop: what it gathers, what ends the gathering, how it commits a backlog. */
import assert from "node:assert/strict";
import { COMMIT_ROWS, GATHER_MS } from "../lib/config/limits.ts";
import type { EventLogReader, LogRecord } from "../lib/log/event_log.ts";
import { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { RowBatchPool } from "../lib/process/row_batch_pool.ts";
import type { RollupPlan } from "../lib/query/plan.ts";
import { createRing, RingWriter } from "../lib/ring/ring.ts";
import { openDuckdbPartition } from "../lib/store/duckdb/mod.ts";
import { waitUntil, withDeadline } from "../tests/support/deadline.ts";
import { LiveFeed } from "./live_feed.ts";
import { macrotask } from "../lib/process/macrotask.ts";
import { ShardAnswers } from "./shard_answers.ts";
import { ShardLoop } from "./shard_loop.ts";

const encoder = new TextEncoder();
const HOUR_MS = 3_600_000;
/** Long enough that no commit is due by itself while a test runs. */
const NO_COMMIT_MS = 60_000;

/** A log of one partition in memory. */
class MemoryLog implements EventLogReader {
  readonly partitions = 1;
  reads = 0;
  readonly #records: LogRecord[] = [];
  #appended = Promise.withResolvers<void>();
  #serial = 0;

  append(events: number): void {
    const receivedAtMs = Date.now();
    const lines: string[] = [];
    for (let i = 0; i < events; i++) {
      const id = this.#serial++;
      lines.push(
        `{"id":"e${id}","user_id":"u${id % 50}","event_type":"view","timestamp":${receivedAtMs}}\n`,
      );
    }
    const offset = this.highWater();
    const value = encoder.encode(lines.join(""));
    const nextOffset = offset + events;
    const project = "default";
    this.#records.push({ partition: 0, offset, nextOffset, events, project, receivedAtMs, value });
    this.#appended.resolve();
    this.#appended = Promise.withResolvers();
  }

  read(_partition: number, fromOffset: number, maxBytes: number): Promise<LogRecord[]> {
    this.reads++;
    const found: LogRecord[] = [];
    let bytes = 0;
    for (const record of this.#records) {
      if (record.offset < fromOffset || bytes >= maxBytes) continue;
      bytes += record.value.length;
      found.push({ ...record, value: record.value.slice() });
    }
    return Promise.resolve(found);
  }

  highWater(): number {
    return this.#records.at(-1)?.nextOffset ?? 0;
  }

  token(): number {
    return this.#records.length;
  }

  appended(token: number): Promise<void> {
    return token === this.#records.length ? this.#appended.promise : Promise.resolve();
  }

  close(): Promise<void> {
    this.#appended.resolve();
    return Promise.resolve();
  }
}

/** A loop over one partition. */
class Running {
  readonly log = new MemoryLog();
  readonly #folder = Deno.makeTempDirSync({ prefix: "rta_shard_loop_" });
  readonly loop: ShardLoop;
  /** Rows of each commit. */
  readonly commits: number[] = [];
  readonly #live: LiveFeed;
  #answers: ShardAnswers | null = null;
  #end: () => Promise<void> = () => Promise.resolve();

  constructor() {
    const ring = new RingWriter(createRing(1 << 20));
    const warn = (message: string) => assert.fail(message);
    const now = Date.now;
    const completeUntilMs = (partition: number) => this.loop.storedUntilMs(partition);
    const appliedUntilMs = now;
    this.#live = new LiveFeed({ ring, publish: null, completeUntilMs, appliedUntilMs, now, warn });
    this.loop = new ShardLoop({
      reader: this.log,
      aside: {
        sink: {
          put: () => Promise.reject(new Error("no letters")),
          close: () => Promise.resolve(),
        },
        topic: "events",
      },
      progress: ring,
      commitIntervalMs: NO_COMMIT_MS,
      playFault: () => {},
      live: this.#live,
      now,
      warn,
    });
  }

  get answers(): ShardAnswers {
    return this.#answers ??= new ShardAnswers(this.loop);
  }

  async start(): Promise<PartitionProcessor> {
    const place = { folder: this.#folder, partition: 0, memoryLimitMb: 16 };
    const store = await openDuckdbPartition(place);
    const commit = store.commit.bind(store);
    store.commit = (rows, flush) => {
      if (rows.rows.count > 0) this.commits.push(rows.rows.count);
      return commit(rows, flush);
    };
    const processor = await PartitionProcessor.open(
      store,
      {
        topic: "events",
        dedupWindowMs: HOUR_MS,
        dedupBytesMax: 16 << 20,
        sessionGapMs: HOUR_MS / 2,
        sessionBytesMax: 1 << 20,
        cellBytesMax: 1 << 20,
        flushIntervalMs: Infinity,
        flushBytes: Infinity,
      },
      new RowBatchPool(),
      Date.now(),
    );
    this.loop.add(processor, null);
    const ended = this.loop.run();
    this.#end = async () => {
      this.loop.stop();
      await withDeadline(ended, { what: "the end of the loop" });
      await this.#live.end();
      await this.log.close();
      await store.close();
      Deno.removeSync(this.#folder, { recursive: true });
    };
    return processor;
  }

  /** What a summary of the last hour counts now. */
  async counted(): Promise<number> {
    const plan: RollupPlan = {
      project: "default",
      types: null,
      boundsMs: Float64Array.of(Date.now() - HOUR_MS, Date.now() + HOUR_MS),
      wantTotal: 0,
      wantByType: null,
      groupsMax: Infinity,
    };
    const { partial } = await this.answers.rollups(plan);
    return partial.events.reduce((sum, events) => sum + events, 0);
  }

  end(): Promise<void> {
    return this.#end();
  }
}

Deno.test("answer() counts all that was appended before it however often it is asked", async () => {
  const running = new Running();
  await running.start();
  for (let events = 1; events <= 50; events++) {
    running.log.append(1);
    assert.equal(await withDeadline(running.counted(), { what: "an answer" }), events);
  }
  await running.end();
});

Deno.test("answer() comes when the loop has ended", async () => {
  const running = new Running();
  await running.start();
  running.log.append(3);
  running.loop.stop();
  running.log.append(1);
  const counted = await withDeadline(running.counted(), { what: "an answer" });
  assert.ok(counted <= 3);
  await running.end();
});

Deno.test("run() gathers tiny appends and pulls all of them in the end", async () => {
  const running = new Running();
  const processor = await running.start();
  const startedAt = performance.now();
  const appends = 200;
  for (let i = 0; i < appends; i++) {
    running.log.append(1);
    await macrotask();
  }
  await waitUntil(() => processor.nextOffset === appends, { what: "the last event" });
  const gatherings = Math.ceil((performance.now() - startedAt) / GATHER_MS);
  const { reads } = running.log;
  assert.ok(reads <= 2 + 2 * gatherings, `${reads} reads in ${gatherings} gatherings`);
  await running.end();
});

Deno.test("run() commits a backlog in full batches that stay within COMMIT_ROWS", async () => {
  const running = new Running();
  const recordEvents = 3_000;
  const records = Math.ceil(2.5 * COMMIT_ROWS / recordEvents);
  const events = records * recordEvents;
  for (let i = 0; i < records; i++) running.log.append(recordEvents);
  const processor = await running.start();
  const what = "the end of the backlog";
  await waitUntil(() => processor.nextOffset === events, { what, deadlineMs: 30_000 });
  await running.end();
  for (const rows of running.commits.slice(0, 2)) {
    assert.ok(rows <= COMMIT_ROWS && rows > COMMIT_ROWS - recordEvents, `${rows} rows`);
  }
  assert.equal(running.commits.reduce((sum, rows) => sum + rows, 0), events);
});
