import assert from "node:assert/strict";
import { readConsumerPerformance, readProducerPerformance } from "./kafka_peers.ts";

Deno.test("readConsumerPerformance() reads records and fetch time when a warning stands before", () => {
  const text = "WARN: the option is old\n2026-11-22 20:56:17:745, 2026-11-22 20:56:21:094, " +
    "41.1265, 12.2802, 200000, 59719.3192, 871, 2478, 16.5966, 80710.2502\n";
  assert.deepEqual(readConsumerPerformance(text), { records: 200_000, fetchMs: 2478 });
});

Deno.test("readConsumerPerformance() throws when nothing was read", () => {
  const text = "2026-11-22 20:56:17:745, 2026-11-22 20:56:21:094, " +
    "0.0000, 0.0000, 0, 0.0000, 871, 2478, 0.0000, 0.0000\n";
  assert.throws(() => readConsumerPerformance(text), /said something else/);
});

Deno.test("readProducerPerformance() reads the line of all when lines of its parts stand before", () => {
  const text = "250000 records sent, 50000.0 records/sec (9.54 MB/sec), 1.0 ms avg latency\n" +
    "300000 records sent, 163220.9 records/sec (32.01 MB/sec), 212.41 ms avg latency, " +
    "409.00 ms max latency, 236 ms 50th, 380 ms 95th, 400 ms 99th, 408 ms 99.9th.\n";
  assert.deepEqual(readProducerPerformance(text), { records: 300_000, perSecond: 163_220.9 });
});

Deno.test("readProducerPerformance() throws when there is no figure", () => {
  assert.throws(() => readProducerPerformance("usage: ...\n"), /said something else/);
});
