/**
 * Cases `kafka-backlog` and `kafka-memory`: a consumer process of the platform starts on a topic
 * full of events, and is timed from its ready line until all of them are processed and committed, and
 * the summary counts them.
 *
 *     kafka-backlog  beside Kafka Streams, franz-go and ConsumerPerformance on the same topic
 *     kafka-backlog  the same with RTA_ROWS=off: rollups alone, as the peers have them
 *     kafka-memory   the most resident memory of the consumer process in these runs
 *
 * Events that are processed before the ready line are not counted.
 */
import { withPlatform } from "./bench_platform.ts";
import {
  type BenchContext,
  type BenchRow,
  type BenchStudy,
  type Contestant,
  interleave,
  spread,
} from "./bench_study.ts";
import { type FilledTopic, type KafkaPeers, makeKafkaPeers, type PeerRun } from "./kafka_peers.ts";
import { type KafkaTestbed, RECORD_FORMS, type RecordForm, withKafka } from "./kafka_testbed.ts";
import { fillTopic } from "./kafka_topic.ts";
import { processedEvents, waitUntilCounted } from "./platform_probe.ts";
import { readProcessMemory, readProcessorSeconds } from "./process_usage.ts";
import { median } from "./quantile.ts";

const PARTITIONS = [4, 8] as const;
const SPAN_MS = 30 * 60_000;
/** Analytics belongs to it, for one process alone can open the store's files. */
const CONSUMER_ROLES = "consumer,analytics";
/** Rate over that of Kafka Streams, by how the records are written. */
const BARS: Readonly<Record<RecordForm, number>> = { batched: 1.5, single: 1.0 };
/** Of rollups alone, records batched: over Kafka Streams, and over franz-go. */
const ROLLUP_BARS = { streams: 2, franzGo: 1.3 };
const MEMORY_MB_MAX = 512;
/** Longest one run may take, by events, ms. */
const deadlineMs = (events: number) => 60_000 + events / 10;

const PLATFORM = "platform";
const ROLLUPS_ALONE = "platform, RTA_ROWS=off";
const STREAMS = "Kafka Streams";
const LOCAL_STREAMS = "Kafka Streams, counts by partition";
const FRANZ_GO = "franz-go";
const READING = "ConsumerPerformance";

export const kafkaBacklogStudy: BenchStudy = {
  cases: ["kafka-backlog", "kafka-memory"],
  about: "a Kafka topic processed and stored, beside Kafka Streams and others (needs Java 17, Go)",
  async run(context, wanted) {
    const peers = wanted.has("kafka-backlog")
      ? await makeKafkaPeers(context.cacheFolder, context.say)
      : null;
    return await withKafka(async (kafka) => {
      const comparisons: Comparison[] = [];
      const topics = RECORD_FORMS.flatMap((records) =>
        PARTITIONS.map((partitions) => ({ records, partitions }))
      );
      for (const { records, partitions } of topics.slice(0, context.settings.kafkaTopics)) {
        comparisons.push(await compare(context, kafka, peers, records, partitions));
      }
      return [
        ...(wanted.has("kafka-backlog") ? comparisons.flatMap(backlogRows) : []),
        ...(wanted.has("kafka-memory") ? [memoryRow(comparisons)] : []),
      ];
    });
  },
};

/** What one run of a contestant came to. */
interface Run extends PeerRun {
  /** Processor time of the broker meanwhile, s. */
  readonly brokerSeconds: number;
}

/** All runs on one topic. */
interface Comparison {
  readonly records: RecordForm;
  readonly partitions: number;
  readonly events: number;
  /** By name of the contestant. */
  readonly runs: ReadonlyMap<string, readonly Run[]>;
}

/** A topic and when its events happened: in [startMs, endMs). */
interface Backlog extends FilledTopic {
  readonly startMs: number;
  readonly endMs: number;
}

/** Fills a topic, lets everybody read it in turn, and removes it. */
async function compare(
  context: BenchContext,
  kafka: KafkaTestbed,
  peers: KafkaPeers | null,
  records: RecordForm,
  partitions: number,
): Promise<Comparison> {
  const { kafkaEvents: events } = context.settings;
  const title = `kafka-backlog, ${partitions} partitions, records ${records}`;
  context.say(`${title}: making ${events.toLocaleString("en-US")} events`);
  const endMs = Date.now();
  const startMs = endMs - SPAN_MS;
  const load = { events, seed: 1, startMs, endMs };
  const backlog = { ...await fillTopic(kafka, records, partitions, load), startMs, endMs };
  const runs = new Map<string, Run[]>();
  const contestant = (name: string, run: () => Promise<PeerRun>): Contestant => {
    const own: Run[] = [];
    runs.set(name, own);
    return { name, measure: () => measure(context, kafka, own, run) };
  };
  await interleave(context, `${title}, events/s`, [
    contestant(PLATFORM, () => processBacklog(context, kafka, backlog, "on")),
    ...(peers === null ? [] : [
      contestant(ROLLUPS_ALONE, () => processBacklog(context, kafka, backlog, "off")),
    ]),
    ...(peers === null ? [] : peersOf(context, peers, backlog, contestant)),
  ]);
  await kafka.deleteTopic(backlog.topic);
  return { records, partitions, events, runs };
}

function peersOf(
  context: BenchContext,
  peers: KafkaPeers,
  topic: FilledTopic,
  contestant: (name: string, run: () => Promise<PeerRun>) => Contestant,
): Contestant[] {
  const { scratchFolder } = context;
  return [
    contestant(STREAMS, () => peers.kafkaStreams(topic, "grouped", scratchFolder)),
    contestant(LOCAL_STREAMS, () => peers.kafkaStreams(topic, "local", scratchFolder)),
    ...(peers.hasFranzGo ? [contestant(FRANZ_GO, () => peers.franzGo(topic))] : []),
    contestant(READING, () => peers.consumerPerformance(topic)),
  ];
}

/** Notes what a run came to; gives its events per second. */
async function measure(
  context: BenchContext,
  kafka: KafkaTestbed,
  runs: Run[],
  run: () => Promise<PeerRun>,
): Promise<number> {
  const before = kafka.cpuSeconds;
  const result = await run();
  const brokerSeconds = kafka.cpuSeconds - before;
  runs.push({ ...result, brokerSeconds });
  const memory = result.peakMb === null ? "" : `, most resident ${result.peakMb.toFixed(0)} MiB`;
  context.say(
    `  ${result.seconds.toFixed(1)} s, CPU ${result.cpuSeconds.toFixed(1)} s, ` +
      `of the broker ${brokerSeconds.toFixed(1)} s${memory}`,
  );
  return perSecond(result);
}

async function processBacklog(
  context: BenchContext,
  kafka: KafkaTestbed,
  backlog: Backlog,
  rows: "on" | "off",
): Promise<PeerRun> {
  const { topic, partitions, records, events } = backlog;
  const place = { topic, partitions, records, roles: CONSUMER_ROLES };
  const env = { ...kafka.platformEnvironment(place), RTA_ROWS: rows };
  return await withPlatform(context, { env }, async (server) => {
    const startedAt = performance.now();
    const cpuSeconds = readProcessorSeconds(server.pid);
    const before = await processedEvents(server.urls);
    await waitUntilCounted(server, backlog, deadlineMs(events));
    return {
      events: events - before,
      seconds: (performance.now() - startedAt) / 1000,
      cpuSeconds: readProcessorSeconds(server.pid) - cpuSeconds,
      peakMb: readProcessMemory(server.pid).peakMb,
    };
  });
}

/** With rows and without. */
function backlogRows(comparison: Comparison): BenchRow[] {
  const { records, partitions, events, runs } = comparison;
  const rate = (name: string) => median((runs.get(name) ?? []).map(perSecond));
  const beside = [...runs].filter(([name]) => name !== PLATFORM && name !== ROLLUPS_ALONE)
    .map(([name, ofPeer]) => `${name}: ${runsText(ofPeer)}`).join("; ");
  const form = `${partitions} partitions, records ${records}`;
  const over = (name: string, peer: string) => (rate(name) / rate(peer)).toFixed(2);
  const toStreams = rate(PLATFORM) / rate(STREAMS);
  const alone = rate(ROLLUPS_ALONE);
  const { streams, franzGo } = ROLLUP_BARS;
  const isBarred = records === "batched";
  return [{
    name: `kafka-backlog: ${sizeText(events)} processed and stored, ${form}`,
    figure: runsText(runs.get(PLATFORM)!),
    beside,
    ratio: `${toStreams.toFixed(2)} (to counts by partition ${over(PLATFORM, LOCAL_STREAMS)})`,
    bar: `>= ${BARS[records]}`,
    met: toStreams >= BARS[records],
  }, {
    name: `kafka-backlog: ${sizeText(events)} to rollups alone (RTA_ROWS=off), ${form}`,
    figure: runsText(runs.get(ROLLUPS_ALONE)!),
    beside,
    ratio: `Kafka Streams ${over(ROLLUPS_ALONE, STREAMS)} (counts by partition ` +
      `${over(ROLLUPS_ALONE, LOCAL_STREAMS)}), franz-go ${over(ROLLUPS_ALONE, FRANZ_GO)}`,
    bar: isBarred ? `>= ${streams} of Kafka Streams, >= ${franzGo} of franz-go` : "",
    met: isBarred
      ? alone >= streams * rate(STREAMS) &&
        (!runs.has(FRANZ_GO) || alone >= franzGo * rate(FRANZ_GO))
      : null,
  }];
}

/** The comparison with the most memory. */
function memoryRow(comparisons: readonly Comparison[]): BenchRow {
  const peaks = ({ runs }: Comparison, name: string) =>
    (runs.get(name) ?? []).flatMap(({ peakMb }) => peakMb ?? []);
  const worst =
    comparisons.toSorted((a, b) => median(peaks(b, PLATFORM)) - median(peaks(a, PLATFORM)))[0];
  const others = [STREAMS, FRANZ_GO].filter((name) => peaks(worst, name).length > 0)
    .map((name) => `${name}: ${median(peaks(worst, name)).toFixed(0)} MiB`);
  return {
    name: `kafka-memory: most resident, consumer process, backlog of ${sizeText(worst.events)}`,
    figure: `${spread(peaks(worst, PLATFORM), "MiB")}, with ${worst.partitions} partitions, ` +
      `records ${worst.records}`,
    beside: [`limit: ${MEMORY_MB_MAX} MiB`, ...others].join("; "),
    ratio: "",
    bar: `<= ${MEMORY_MB_MAX} MiB`,
    met: median(peaks(worst, PLATFORM)) <= MEMORY_MB_MAX,
  };
}

function runsText(runs: readonly Run[]): string {
  const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds));
  return `${spread(runs.map(perSecond), "events/s")}, CPU ${cpu.toFixed(1)} s`;
}

function perSecond({ events, seconds }: PeerRun): number {
  return events / seconds;
}

function sizeText(events: number): string {
  return `${(events / 1e6).toLocaleString("en-US")} M events`;
}
