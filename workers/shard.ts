/**
 * Entry of a shard worker: opens what the start message names, runs the loop, answers messages.
 *
 * A shard that throws closes its files before it reports `failed`: only then may another worker
 * open them, because DuckDB's handle outlives a terminated worker.
 */
import { HEARTBEAT_MS } from "../lib/config/limits.ts";
import { LogError } from "../lib/log/event_log.ts";
import { openSqliteLogReader } from "../lib/log/sqlite/mod.ts";
import { PartitionProcessor } from "../lib/process/partition_processor.ts";
import { RowBatchPool } from "../lib/process/row_batch_pool.ts";
import { RingWriter } from "../lib/ring/ring.ts";
import { openDuckdbPartition } from "../lib/store/duckdb/mod.ts";
import { type PartitionStore, StoreError } from "../lib/store/event_store.ts";
import { createLogger } from "../lib/telemetry/logger.ts";
import type { FromShard, StartShard, ToShard } from "./protocol.ts";
import { ShardLoop } from "./shard_loop.ts";

declare const self: {
  onmessage: ((event: MessageEvent<ToShard>) => void) | null;
  postMessage(message: FromShard): void;
  close(): void;
};

let loop: ShardLoop | null = null;
let stopping = false;

self.onmessage = ({ data }) => {
  if (data.kind === "start") void live(data);
  else if (data.kind === "stop") {
    stopping = true;
    loop?.stop();
  } else if (data.kind === "rollups") {
    reply(data.id, async () => {
      const partial = await loop!.answer(data.plan);
      return { kind: "rollups", id: data.id, partial };
    });
  } else {
    reply(data.id, async () => {
      const answer = await loop!.answerUser(data.partition, data.query);
      return { kind: "user", id: data.id, answer };
    });
  }
};

/**
 * A question that fails is refused; it does not end the shard. One that fails because the shard did
 * is left unanswered: whoever replaces the shard is asked again.
 */
function reply(id: number, answer: () => Promise<FromShard>): void {
  answer().then(
    (message) => self.postMessage(message),
    (error) => {
      if (loop!.hasFailed) return;
      const code = error instanceof StoreError ? error.code : "RTA_SHARD_FAULT";
      self.postMessage({ kind: "refused", id, code, message: String(error?.stack ?? error) });
    },
  );
}

async function live(start: StartShard): Promise<void> {
  const health = new Int32Array(start.health);
  const heartbeat = setInterval(() => Atomics.add(health, start.healthIndex, 1), HEARTBEAT_MS);
  const stores: PartitionStore[] = [];
  const log = createLogger(start.logLevel, { stage: "process", service: "consumer" });
  let closeReader = () => Promise.resolve();
  let outcome: FromShard = { kind: "stopped" };
  try {
    const reader = await openSqliteLogReader({ folder: start.folder, signal: start.signal });
    closeReader = () => reader.close();
    const pool = new RowBatchPool();
    const processors: PartitionProcessor[] = [];
    for (const partition of start.partitions) {
      const store = await openDuckdbPartition({
        folder: start.folder,
        partition,
        memoryLimitMb: start.storeMemoryMb,
      });
      stores.push(store);
      processors.push(await PartitionProcessor.open(store, start.processor, pool, Date.now()));
    }
    loop = new ShardLoop({
      reader,
      processors,
      progress: new RingWriter(start.progress),
      commitIntervalMs: start.commitIntervalMs,
      fault: start.fault,
      now: Date.now,
      warn: (message, detail) => log.warn(detail, message),
    });
    await loop.checkPlaces();
    if (stopping) loop.stop();
    self.postMessage({ kind: "ready" });
    await loop.run();
  } catch (error) {
    const coded = error instanceof StoreError || error instanceof LogError;
    const code = coded ? error.code : "RTA_SHARD_FAILED";
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    outcome = { kind: "failed", code, message };
    await loop?.settle();
  }
  await closeReader();
  for (const store of stores) await store.close();
  clearInterval(heartbeat);
  self.postMessage(outcome);
  self.close();
}
