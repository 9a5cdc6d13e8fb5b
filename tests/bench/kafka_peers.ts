/**
 * The peers of the Kafka cases. Those in peers/ are compiled once, into `.cache/bench/peers`, under
 * a name that follows from their sources; the others are Kafka's own, in the jars of the broker.
 *
 *     peers/kafka_streams   javac; Java 17, and jars that are fetched once
 *     peers/franz_go        go build; modules of go.sum
 *     ConsumerPerformance, ProducerPerformance   of kafka-tools
 *
 * One peer runs at a time: what the ended children of this process have used is the peer's.
 */
import { join } from "node:path";
import { KAFKA_JARS } from "../support/kafka_jar_list.ts";
import { classPath, ensureJars } from "../support/kafka_jars.ts";
import { CannotRunHere, findJava, hasProgram, runProgram } from "../support/kafka_java.ts";
import { ROOT } from "../tidy/source_tree.ts";
import { KAFKA_STREAMS_JARS } from "./kafka_streams_jars.ts";
import { readChildrenSeconds } from "./process_usage.ts";

/** What a peer did. */
export interface PeerRun {
  readonly events: number;
  readonly seconds: number;
  /** Processor time; of Kafka's own tools from their start to their end. */
  readonly cpuSeconds: number;
  /** Most resident memory, MiB; null = not known. */
  readonly peakMb: number | null;
}

/** A topic full of events. */
export interface FilledTopic {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly records: "single" | "batched";
  readonly events: number;
  /** Kafka records: as many as events, or fewer. */
  readonly kafkaRecords: number;
}

/** What is to be produced. */
export interface ProduceOrder {
  readonly bootstrap: string;
  readonly topic: string;
  readonly events: number;
  /** Lines that the records are taken from, at random. */
  readonly linesFile: string;
  readonly compression: string;
}

const SOURCES = join(ROOT, "tests", "bench", "peers");
/** Longest compiler run, ms; the first one of Go fetches its modules. */
const COMPILE_MS_MAX = 300_000;
/** Longest run of a peer: to start, and for each event, ms. */
const deadlineMs = (events: number) => 60_000 + events / 10;

/** Heap and collector as for a program in production on a small machine. */
const javaFlags = ["-Xmx1g", "-XX:+UseG1GC"];
/** Of a producer that is set up for throughput. */
const producerSettings = ["acks=all", "linger.ms=5", "batch.size=131072"];

/**
 * Fetches and compiles what is missing.
 *
 * @param cacheFolder that of the bench
 * @throws {CannotRunHere} without Java 17, or without a way to fetch the jars
 */
export async function makeKafkaPeers(
  cacheFolder: string,
  say: (line: string) => void,
): Promise<KafkaPeers> {
  const java = await findJava();
  await ensureJars(KAFKA_JARS);
  await ensureJars(KAFKA_STREAMS_JARS);
  const folder = join(cacheFolder, "peers");
  await Deno.mkdir(folder, { recursive: true });
  const classes = await compileStreams(folder, java.program, java.version);
  const franzGo = await compileFranzGo(folder);
  if (franzGo === null) say("LEFT OUT: franz-go, for there is no go; install Go");
  return new KafkaPeers(java.program, classes, franzGo);
}

/** The compiled peers; each call runs one to its end and throws when its result is wrong. */
export class KafkaPeers {
  readonly #java: string;
  readonly #classes: string;
  readonly #franzGo: string | null;

  constructor(java: string, classes: string, franzGo: string | null) {
    this.#java = java;
    this.#classes = classes;
    this.#franzGo = franzGo;
  }

  get hasFranzGo(): boolean {
    return this.#franzGo !== null;
  }

  /** Counts by type and minute; see peers/kafka_streams for the two ways. */
  async kafkaStreams(
    { bootstrap, topic, records, events }: FilledTopic,
    way: "grouped" | "local",
    scratchFolder: string,
  ): Promise<PeerRun> {
    const state = await Deno.makeTempDir({ dir: scratchFolder, prefix: "streams-" });
    const path = [this.#classes, classPath(KAFKA_STREAMS_JARS), classPath(KAFKA_JARS)].join(":");
    const args = ["CountByMinute", bootstrap, topic, records, String(events), way, state];
    try {
      return await runCounter(this.#java, [...javaFlags, "-cp", path, ...args], events);
    } finally {
      await Deno.remove(state, { recursive: true });
    }
  }

  /** Counts by type and minute; see peers/franz_go. */
  async franzGo({ bootstrap, topic, events }: FilledTopic): Promise<PeerRun> {
    if (this.#franzGo === null) throw new CannotRunHere("no go");
    return await runCounter(this.#franzGo, [bootstrap, topic, String(events)], events);
  }

  /** Only reads. */
  async consumerPerformance(
    { bootstrap, topic, events, kafkaRecords }: FilledTopic,
  ): Promise<PeerRun> {
    const args = ["--bootstrap-server", bootstrap, "--topic", topic, "--hide-header"];
    const { stdout, cpuSeconds } = await this.#kafkaTool(
      "ConsumerPerformance",
      [...args, "--messages", String(kafkaRecords)],
      deadlineMs(events),
    );
    const { records, fetchMs } = readConsumerPerformance(stdout);
    if (records !== kafkaRecords) throw new Error(`${records} records read of ${kafkaRecords}`);
    return { events, seconds: fetchMs / 1000, cpuSeconds, peakMb: null };
  }

  /** Only writes, one event a record, each acknowledged by all replicas. */
  async producerPerformance(order: ProduceOrder): Promise<PeerRun> {
    const { bootstrap, topic, events, linesFile, compression } = order;
    const args = ["--topic", topic, "--num-records", String(events), "--throughput", "-1"];
    const settings = [...producerSettings, `compression.type=${compression}`];
    const { stdout, cpuSeconds } = await this.#kafkaTool("ProducerPerformance", [
      ...args,
      "--payload-file",
      linesFile,
      "--producer-props",
      `bootstrap.servers=${bootstrap}`,
      ...settings,
    ], deadlineMs(events));
    const { records, perSecond } = readProducerPerformance(stdout);
    if (records !== events) throw new Error(`${records} records written of ${events}`);
    return { events, seconds: events / perSecond, cpuSeconds, peakMb: null };
  }

  async #kafkaTool(
    name: string,
    args: readonly string[],
    deadlineMs: number,
  ): Promise<{ stdout: string; cpuSeconds: number }> {
    const flags = [...javaFlags, "-cp", classPath(KAFKA_JARS)];
    const before = readChildrenSeconds();
    const { code, stdout, output } = await runProgram(
      this.#java,
      [...flags, `org.apache.kafka.tools.${name}`, ...args],
      { deadlineMs },
    );
    if (code !== 0) throw new Error(`${name} ended with code ${code}:\n${output}`);
    return { stdout, cpuSeconds: readChildrenSeconds() - before };
  }
}

/** `start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, ...`: the last such line. */
export function readConsumerPerformance(text: string): { records: number; fetchMs: number } {
  const cells = text.trim().split("\n").at(-1)!.split(", ");
  const [records, fetchMs] = [Number(cells[4]), Number(cells[7])];
  if (cells.length === 10 && records > 0 && fetchMs > 0) return { records, fetchMs };
  throw new Error(`ConsumerPerformance said something else:\n${text}`);
}

/** `N records sent, X records/sec (...), ...`: the last such line is of all. */
export function readProducerPerformance(text: string): { records: number; perSecond: number } {
  const line = /^(\d+) records sent, ([\d.]+) records\/sec/.exec(text.trim().split("\n").at(-1)!);
  if (line === null) throw new Error(`ProducerPerformance said something else:\n${text}`);
  return { records: Number(line[1]), perSecond: Number(line[2]) };
}

/** Runs a program of peers/; the line of JSON that it ends with is its result. */
async function runCounter(
  program: string,
  args: readonly string[],
  events: number,
): Promise<PeerRun> {
  const { code, stdout, output } = await runProgram(program, args, {
    deadlineMs: deadlineMs(events),
  });
  if (code !== 0) throw new Error(`${program} ended with code ${code}:\n${output}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as PeerRun;
}

async function compileStreams(folder: string, java: string, version: string): Promise<string> {
  const path = `${classPath(KAFKA_STREAMS_JARS)}:${classPath(KAFKA_JARS)}`;
  const javac = java.replace(/java$/, "javac");
  const source = join(SOURCES, "kafka_streams", "CountByMinute.java");
  return await compileOnce(folder, "kafka_streams", [source], version, async (target) => {
    if (!await hasProgram(javac)) throw new CannotRunHere("no javac: install a JDK, not a JRE");
    await compile(javac, ["-Xlint:all,-processing", "-Werror", "-d", target, "-cp", path, source]);
  });
}

/** Null: there is no Go here. */
async function compileFranzGo(folder: string): Promise<string | null> {
  if (!await hasProgram("go")) return null;
  const module = join(SOURCES, "franz_go");
  const sources = ["main.go", "go.mod", "go.sum"].map((name) => join(module, name));
  const { stdout } = await runProgram("go", ["version"]);
  const target = await compileOnce(folder, "franz_go", sources, stdout, async (target) => {
    await compile("go", ["-C", module, "build", "-o", join(target, "franz_go"), "."]);
  });
  return join(target, "franz_go");
}

/** Folder of what a compiler makes of the sources; made under another name and moved when whole. */
async function compileOnce(
  folder: string,
  name: string,
  sources: readonly string[],
  compiler: string,
  make: (target: string) => Promise<void>,
): Promise<string> {
  const texts = await Promise.all(sources.map((path) => Deno.readTextFile(path)));
  const bytes = new TextEncoder().encode([compiler, ...texts].join("\0"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const target = join(folder, `${name}-${digest.slice(0, 16)}`);
  if (await isThere(target)) return target;
  const unfinished = await Deno.makeTempDir({ dir: folder, prefix: `${name}-unfinished-` });
  try {
    await make(unfinished);
    await Deno.rename(unfinished, target);
  } catch (error) {
    await Deno.remove(unfinished, { recursive: true });
    throw error;
  }
  return target;
}

async function compile(compiler: string, args: readonly string[]): Promise<void> {
  const { code, output } = await runProgram(compiler, args, { deadlineMs: COMPILE_MS_MAX });
  if (code !== 0) throw new Error(`${compiler} ended with code ${code}:\n${output}`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
