/**
 * Case `kafka-ingest`: batches of 1000 events by REST, each answered when all replicas have it,
 * beside Kafka's ProducerPerformance with acks=all, one event a record, from the same lines.
 *
 * The bar is on a process with the role ingestion alone, which does what the peer does: produce.
 * With every role in one process, its shards read and store the same events meanwhile, on the same
 * cores; then all that was accepted is checked to be counted.
 */
import { join } from "node:path";
import type { BatchOrder, BatchResult } from "./batch_client.ts";
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess } from "./bench_process.ts";
import {
  type BenchContext,
  type BenchRow,
  type BenchStudy,
  type Contestant,
  interleave,
  spread,
} from "./bench_study.ts";
import { type KafkaPeers, makeKafkaPeers } from "./kafka_peers.ts";
import {
  COMPRESSION,
  type KafkaTestbed,
  RECORD_FORMS,
  type RecordForm,
  withKafka,
} from "./kafka_testbed.ts";
import { madeLines } from "./made_events.ts";
import { checkAccepted } from "./platform_probe.ts";
import { median, quantile } from "./quantile.ts";

const PARTITIONS = 8;
const BATCH_EVENTS = 1_000;
const CONNECTIONS = 4;
/** The peer can't leave its first second out either. */
const warmUpSeconds = 0;
/** Lines that the peer takes its records from: enough for some ten thousand users. */
const LINES = 100_000;
/** Share of the peer's rate, by how the platform writes records. */
const BARS: Readonly<Record<RecordForm, number>> = { batched: 0.6, single: 0.3 };

const PEER = "ProducerPerformance";

type Roles = "ingestion" | "all";

export const kafkaIngestStudy: BenchStudy = {
  cases: ["kafka-ingest"],
  about: "batches of 1000 events by REST to Kafka, acks=all, beside ProducerPerformance (Java 17)",
  async run(context) {
    const peers = await makeKafkaPeers(context.cacheFolder, context.say);
    const linesFile = join(context.scratchFolder, "kafka_ingest.ndjson");
    await Deno.writeFile(linesFile, madeLines(LINES, 1, Date.now()));
    return await withKafka(async (kafka) => {
      const runsOf = new Map<string, BatchResult[]>();
      const platform = (records: RecordForm, roles: Roles): Contestant => {
        const runs: BatchResult[] = [];
        runsOf.set(nameOf(records, roles), runs);
        return {
          name: nameOf(records, roles),
          measure: async () => {
            runs.push(await sendBatches(context, kafka, records, roles));
            const { events, seconds } = runs.at(-1)!;
            return events / seconds;
          },
        };
      };
      const figures = await interleave(context, "kafka-ingest, events/s", [
        { name: PEER, measure: () => produce(context, kafka, peers, linesFile) },
        ...RECORD_FORMS.flatMap((records) => [
          platform(records, "ingestion"),
          platform(records, "all"),
        ]),
      ]);
      return rowsOf(figures, runsOf);
    });
  },
};

function nameOf(records: RecordForm, roles: Roles): string {
  return `records ${records}, ${roles === "all" ? "every role" : "role ingestion alone"}`;
}

async function produce(
  context: BenchContext,
  kafka: KafkaTestbed,
  peers: KafkaPeers,
  linesFile: string,
): Promise<number> {
  const topic = await kafka.createTopic("produced", PARTITIONS);
  const { kafkaEvents: events } = context.settings;
  const { bootstrap } = kafka;
  const order = { bootstrap, topic, events, linesFile, compression: COMPRESSION };
  const { seconds } = await peers.producerPerformance(order);
  await kafka.deleteTopic(topic);
  return events / seconds;
}

async function sendBatches(
  context: BenchContext,
  kafka: KafkaTestbed,
  records: RecordForm,
  roles: Roles,
): Promise<BatchResult> {
  const topic = await kafka.createTopic("ingested", PARTITIONS);
  const env = kafka.platformEnvironment({ topic, partitions: PARTITIONS, records, roles });
  const result = await withPlatform(context, { env }, async (server) => {
    const order: BatchOrder = {
      url: `${server.urls.ingestion}/events/batch`,
      connections: CONNECTIONS,
      batchEvents: BATCH_EVENTS,
      warmUpSeconds,
      seconds: context.settings.loadSeconds,
    };
    const deadlineMs = 60_000 + 1000 * order.seconds;
    const result = await runBenchProcess<BatchResult>("batch_client.ts", order, deadlineMs);
    await checkAccepted(server, result.allEvents, roles === "all");
    return result;
  });
  await checkTopic(kafka, topic, records, result.allEvents);
  await kafka.deleteTopic(topic);
  return result;
}

/** All that was answered with success stands in the topic. Throws when it can't. */
async function checkTopic(
  kafka: KafkaTestbed,
  topic: string,
  records: RecordForm,
  answered: number,
): Promise<void> {
  const found = await kafka.countRecords(topic);
  const least = records === "single" ? answered : 1;
  if (found < least) throw new Error(`${answered} events answered, ${found} records in the topic`);
}

function rowsOf(
  figures: ReadonlyMap<string, readonly number[]>,
  runsOf: ReadonlyMap<string, readonly BatchResult[]>,
): BenchRow[] {
  const peer = figures.get(PEER)!;
  const row = (records: RecordForm, roles: Roles, bar: number | null): BenchRow => {
    const contestant = nameOf(records, roles);
    const values = figures.get(contestant)!;
    const runs = runsOf.get(contestant)!;
    const ratio = median(values) / median(peer);
    const p99 = median(runs.map((run) => quantile(run.latenciesMs, 0.99)));
    const overloaded = runs.reduce((sum, run) => sum + run.overloaded, 0);
    return {
      name: `kafka-ingest: 1000 events as NDJSON, acks=all, ${contestant}`,
      figure: `${spread(values, "events/s")}; p99 of a batch ${p99.toFixed(0)} ms` +
        (overloaded === 0 ? "" : `; ${overloaded} answers of 429`),
      beside: `${PEER}, acks=all: ${spread(peer, "events/s")}`,
      ratio: ratio.toFixed(2),
      bar: bar === null ? "" : `>= ${bar}`,
      met: bar === null ? null : ratio >= bar,
    };
  };
  return [
    ...RECORD_FORMS.map((records) => row(records, "ingestion", BARS[records])),
    ...RECORD_FORMS.map((records) => row(records, "all", null)),
  ];
}
