/**
 * The platform on Kafka for tests over real processes: names of its own on a broker that others use
 * too, records as other producers write them, and what the platform then says of them.
 */
import assert from "node:assert/strict";
import { CompressionTypes, Kafka, logLevel, type Message } from "kafkajs";
import { waitUntil } from "./deadline.ts";
import { uniqueName } from "./kafka_shared.ts";
import type { RtaProcess, ServerUrls } from "./server.ts";

/** Longest to wait for what a busy machine does in seconds, ms. */
export const BUSY_MS_MAX = 60_000;

/** Topics and a group that no other test has, and the variables that name them. */
export interface KafkaPlace {
  readonly bootstrap: string;
  readonly topic: string;
  readonly dlqTopic: string;
  readonly group: string;
  readonly env: Record<string, string>;
}

/** Where a platform of its own is on the broker; `partitions` are those of a new topic. */
export function kafkaPlace(bootstrap: string, partitions: number): KafkaPlace {
  const topic = uniqueName("events");
  const [dlqTopic, group] = [`${topic}-dlq`, `${topic}-group`];
  const env = {
    RTA_LOG: "kafka",
    RTA_KAFKA_BROKERS: bootstrap,
    RTA_KAFKA_TOPIC: topic,
    RTA_KAFKA_DLQ_TOPIC: dlqTopic,
    RTA_KAFKA_METRICS_TOPIC: `${topic}-metrics`,
    RTA_KAFKA_GROUP: group,
    RTA_PARTITIONS: String(partitions),
    RTA_SHARDS: "2",
  };
  return { bootstrap, topic, dlqTopic, group, env };
}

/** The folder that its rows are in. */
export function storeFolderOf(dataFolder: string, { topic }: KafkaPlace): string {
  return `${dataFolder}/kafka/${topic}`;
}

/** Below the 1,048,588 bytes that a broker takes as one batch by default. */
const REQUEST_BYTES_MAX = 1_000_000;
/** More than a record has beside its value: key, headers, lengths. */
const RECORD_HEAD_BYTES_MAX = 256;

/** A record as another producer sends it, and the partition that its key would have led to. */
export interface ForeignRecord extends Message {
  readonly partition: number;
}

/**
 * Sends records by kafkajs, those of a partition in this order, and gives the offset of each.
 * The broker compresses nothing itself, so they lie there as `compression` says.
 */
export async function produceForeign(
  { bootstrap, topic }: Pick<KafkaPlace, "bootstrap" | "topic">,
  records: readonly ForeignRecord[],
  compression: CompressionTypes = CompressionTypes.None,
): Promise<number[]> {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
  // Idempotent, since a request that failed in one partition is sent again with all of them.
  const producer = kafka.producer({ idempotent: true, retry: { retries: 10 } });
  await producer.connect();
  try {
    const offsets: number[] = [];
    for (const messages of requestsOf(records)) {
      const answers = await producer.send({ topic, messages, acks: -1, compression });
      const next = new Map(answers.map((each) => [each.partition, Number(each.baseOffset)]));
      for (const { partition } of messages) {
        const offset = next.get(partition)!;
        next.set(partition, offset + 1);
        offsets.push(offset);
      }
    }
    return offsets;
  } finally {
    await producer.disconnect();
  }
}

/** As many records to a request as the broker takes: a partition's are one batch there. */
function requestsOf(records: readonly ForeignRecord[]): ForeignRecord[][] {
  const requests: ForeignRecord[][] = [];
  let bytes = REQUEST_BYTES_MAX;
  for (const record of records) {
    const size = RECORD_HEAD_BYTES_MAX + (record.value?.length ?? 0);
    bytes += size;
    if (bytes > REQUEST_BYTES_MAX) {
      requests.push([]);
      bytes = size;
    }
    requests.at(-1)!.push(record);
  }
  return requests;
}

/** Sends events in the plain form, many in a request, and expects all of them to be taken. */
export async function sendLines(
  ingestion: string,
  lines: readonly string[],
  batch = 1000,
): Promise<void> {
  for (let at = 0; at < lines.length; at += batch) {
    const some = lines.slice(at, at + batch);
    const response = await fetch(`${ingestion}/events/batch`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: some.join("\n"),
    });
    const answer = await response.json();
    assert.equal(answer.processed_count, some.length, JSON.stringify(answer).slice(0, 500));
  }
}

/** Asks for JSON and expects success. */
// deno-lint-ignore no-explicit-any -- JSON, looked into by whoever asked
export async function getJson(url: string): Promise<any> {
  const response = await fetch(url);
  const body = await response.json();
  assert.equal(response.status, 200, `${url}: ${JSON.stringify(body)}`);
  return body;
}

/** The same for a question with a JSON body. */
// deno-lint-ignore no-explicit-any -- as above
export async function postJson(url: string, question: unknown): Promise<any> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
  });
  const body = await response.json();
  assert.equal(response.status, 200, `${url}: ${JSON.stringify(body)}`);
  return body;
}

/** How many events the answers count, of all partitions; null while some partition is missing. */
export async function countedEvents(url: string, fromMs: number): Promise<number | null> {
  const range = `time_range.start=${fromMs}&time_range.end=${Date.now() + 60_000}`;
  const response = await fetch(`${url}/v1/analytics/summary?${range}`);
  const summary = await response.json();
  assert.notEqual(response.status, 400, JSON.stringify(summary));
  if (!response.ok || (summary.missing_partitions ?? []).length > 0) return null;
  return Number(summary.total_events);
}

/**
 * Waits until nothing of the log waits for the store any more, in any partition, as far as shards
 * have told: after something was sent, wait for its numbers first.
 */
export async function waitUntilStored(consumer: string, partitions: number): Promise<void> {
  let last: unknown;
  await waitUntil(async () => {
    const { lag } = last = await getJson(`${consumer}/lag`);
    const lags = Object.values(Object.values(lag)[0] ?? {});
    return lags.length === partitions && lags.every((each) => each === 0);
  }, { what: `no lag in ${partitions} partitions`, deadlineMs: BUSY_MS_MAX }).catch((error) => {
    throw new Error(`${error.message}; the last answer was ${JSON.stringify(last)}`);
  });
}

/**
 * Waits until the consumer's `/stats` say this: a shard tells its numbers a moment after it answers
 * by them.
 */
export async function waitForStats(
  consumer: string,
  expected: Readonly<Record<string, number>>,
): Promise<void> {
  let last: Record<string, number> = {};
  await waitUntil(async () => {
    last = (await getJson(`${consumer}/stats`)).consumer;
    return Object.entries(expected).every(([name, value]) => last[name] === value);
  }, { what: JSON.stringify(expected), deadlineMs: BUSY_MS_MAX }).catch((error) => {
    throw new Error(`${error.message}; the last stats were ${JSON.stringify(last)}`);
  });
}

/**
 * Waits until exactly so many events since `fromMs` are counted by all partitions and stored.
 * More than that is an error at once.
 */
export async function waitUntilEvents(
  urls: Pick<ServerUrls, "gateway" | "consumer">,
  events: number,
  fromMs: number,
  partitions: number,
): Promise<void> {
  let counted: number | null = null;
  await waitUntil(async () => {
    counted = await countedEvents(urls.gateway, fromMs);
    assert.ok((counted ?? 0) <= events, `${counted} events are counted, ${events} were sent`);
    return counted === events;
  }, { what: `${events} events in the answers`, deadlineMs: BUSY_MS_MAX }).catch((error) => {
    throw new Error(`${error.message}; ${counted} are counted`, { cause: error });
  });
  await waitUntilStored(urls.consumer, partitions);
}

/** A dead letter as the API tells it. */
export interface ShownLetter {
  readonly id: string;
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  readonly line: number;
  readonly reason: string;
  readonly message: string;
  readonly payload: string;
  readonly payload_encoding: string;
  readonly payload_bytes: number;
  readonly payload_truncated: boolean;
  readonly state: string;
}

/** All dead letters, page by page. */
export async function allLetters(url: string): Promise<ShownLetter[]> {
  const letters: ShownLetter[] = [];
  for (let token = "";;) {
    const query = `state=all&limit=1000&page_token=${encodeURIComponent(token)}`;
    const page = await getJson(`${url}/v1/dead-letters?${query}`);
    letters.push(...page.dead_letters);
    token = page.next_page_token;
    if (token === "") return letters;
  }
}

/** The letters, once there are so many; more is an error. */
export async function waitForLetters(url: string, count: number): Promise<ShownLetter[]> {
  const letters = await waitUntil(async () => {
    const some = await allLetters(url);
    return some.length >= count ? some : null;
  }, { what: `${count} dead letters`, deadlineMs: BUSY_MS_MAX });
  assert.equal(letters.length, count);
  return letters;
}

/** The bytes of a letter's line. */
export function payloadOf({ payload, payload_encoding }: ShownLetter): Uint8Array {
  if (payload_encoding !== "base64") return new TextEncoder().encode(payload);
  return Uint8Array.from(atob(payload), (each) => each.charCodeAt(0));
}

/** The urls of the `nth` process that says it is ready, of those that `rta run` starts in turn. */
export async function nthReady(server: RtaProcess, nth: number): Promise<ServerUrls> {
  const ready = await waitUntil(
    () => server.entries.filter(({ msg }) => msg === "ready")[nth - 1],
    { what: `the start of life ${nth} under process ${server.pid}`, deadlineMs: BUSY_MS_MAX },
  );
  return ready.urls as ServerUrls;
}

/** The value of a metric without labels, or the sum over those with some. */
export async function metricOf(url: string, name: string): Promise<number> {
  const response = await fetch(`${url}/metrics`);
  const lines = (await response.text()).split("\n").filter((line) => /^\w/.test(line));
  const own = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  assert.ok(own.length > 0, `there is no metric ${name}`);
  return own.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
