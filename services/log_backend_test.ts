import assert from "node:assert/strict";
import { readConfig } from "../lib/config/config.ts";
import { createLogSignal, LogSignal, openSqliteLogWriter } from "../lib/log/sqlite/mod.ts";
import { createLogger } from "../lib/telemetry/logger.ts";
import { kafkaSettings, openLogBackend } from "./log_backend.ts";

const silent = createLogger("silent");

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-backend-" });
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("openLogBackend() deals the embedded log's partitions out to the shards", () =>
  withFolder(async (folder) => {
    const backend = await openLogBackend(readConfig({}, { RTA_PARTITIONS: "5" }), folder, silent);
    assert.deepEqual([backend.kind, backend.partitions, backend.kafka], ["sqlite", 5, null]);
    assert.deepEqual([backend.topic, backend.group], ["analytics-events", "rta-consumer"]);
    assert.equal(backend.storeFolder, folder);
    const logs = [0, 1].map((index) => backend.logOf(index, 2));
    assert.deepEqual(
      logs.map((log) => log.kind === "sqlite" && log.partitions),
      [[0, 2, 4], [1, 3]],
    );
    assert.deepEqual([0, 4].map((partition) => backend.highWater(partition)), [0, 0]);
  }));

Deno.test("openLogBackend() knows the end of the embedded log from the writer's signal", () =>
  withFolder(async (folder) => {
    const backend = await openLogBackend(readConfig({}), folder, silent);
    assert.ok(backend.writerLog.kind === "sqlite");
    new LogSignal(backend.writerLog.signal).publish(1, 42);
    assert.equal(backend.highWater(1), 42);
  }));

Deno.test("openLogBackend() keeps the partitions that a data folder was made with", () =>
  withFolder(async (folder) => {
    const signal = createLogSignal(7);
    const writer = await openSqliteLogWriter({ folder, partitions: 7, signal });
    await writer.close();
    const kept = await openLogBackend(readConfig({}), folder, silent);
    assert.equal(kept.partitions, 7);
    // A number that was asked for is kept, for the writer to refuse.
    const asked = await openLogBackend(readConfig({ RTA_PARTITIONS: "6" }), folder, silent);
    assert.equal(asked.partitions, 6);
  }));

Deno.test("kafkaSettings() names the process to the brokers and keeps what it is given", () => {
  const { kafka } = readConfig({
    RTA_LOG: "kafka",
    RTA_KAFKA_BROKERS: "a:1, b:2",
    RTA_KAFKA_TOPIC: "t",
    RTA_KAFKA_GROUP: "g",
    RTA_KAFKA_SASL: "plain",
    RTA_KAFKA_USERNAME: "ann",
    RTA_KAFKA_PASSWORD: "secret",
  });
  const settings = kafkaSettings(kafka!);
  assert.equal(settings.clientId, `rta-${Deno.hostname()}-${Deno.pid}`);
  assert.deepEqual(settings.brokers, ["a:1", "b:2"]);
  assert.deepEqual([settings.topic, settings.group], ["t", "g"]);
  assert.deepEqual(settings.sasl, { mechanism: "plain", username: "ann", password: "secret" });
  // It goes to workers by postMessage.
  assert.deepEqual(structuredClone(settings), settings);
});
