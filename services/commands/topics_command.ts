/**
 * `rta topics`: the platform's topics on Kafka, made, listed, described, and watched. Which
 * cluster, how it is reached and what the topics are called is told by the RTA_KAFKA_* variables,
 * as for `rta serve`; brokers that are not up yet are waited for.
 *
 *     rta topics create                what the platform needs and is not there
 *     rta topics list                  every topic of the cluster but Kafka's own
 *     rta topics describe [topic...]   partitions, leaders, offsets, settings
 *     rta topics tail [topic]          records as they come, with key and headers
 */
import process from "node:process";
import { type Command, InvalidArgumentError } from "commander";
import { type Config, ConfigError, readConfig } from "../../lib/config/config.ts";
import { LogError } from "../../lib/log/event_log.ts";
import type { KafkaSettings } from "../../lib/log/kafka/settings.ts";
import {
  createTopics,
  describeTopics,
  listTopics,
  type PlannedTopic,
  planTopics,
  type TopicDescription,
  type TopicPlan,
} from "../../lib/log/kafka/topics.ts";
import { tailTopic } from "../../lib/log/kafka/topics_tail.ts";
import { waitForBroker } from "../../lib/log/kafka/topics_wait.ts";
import {
  type CommandIo,
  EXIT_DONE,
  EXIT_INTERRUPTED,
  EXIT_NOT_DONE,
  runCommand,
} from "./command_io.ts";
import { groupedNumber, textTable } from "./text_table.ts";
import { recordText } from "./topics_record_text.ts";

/** What the command line says; the rest is in the variables. */
export interface TopicsCommandOptions {
  /** host:port, with commas between them. */
  readonly brokers?: string;
  readonly partitions?: string;
  readonly replication?: string;
  readonly retentionHours?: string;
  /** Of `tail`: begin at the oldest record that is kept. */
  readonly fromBeginning?: boolean;
  /** Of `tail`: end after so many records. */
  readonly limit?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What a subcommand works with. */
interface Cluster {
  readonly settings: KafkaSettings;
  readonly plans: readonly TopicPlan[];
}

/** Adds `rta topics` and what belongs to it. */
export function addTopicsCommand(rta: Command): void {
  const topics = rta.command("topics").description("the platform's topics on Kafka");
  const add = (usage: string, description: string) =>
    topics.command(usage)
      .description(description)
      .option("--brokers <brokers>", "host:port of brokers, with commas between them");
  const env = () => Deno.env.toObject();

  add("create", "create the topics that are not there; those that are stay as they are")
    .option("--partitions <count>", "of events and metrics")
    .option("--replication <count>", "how many brokers keep each record")
    .option("--retention-hours <hours>", "how long events and dead letters are kept")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => createCommand(options, io, env()));
    });
  add("list", "list the topics of the cluster").action(async (options) => {
    process.exitCode = await runCommand((io) => listCommand(options, io, env()));
  });
  add("describe [topics...]", "partitions, leaders, offsets and settings; ours when none is named")
    .action(async (names, options) => {
      process.exitCode = await runCommand((io) => describeCommand(names, options, io, env()));
    });
  add("tail [topic]", "print records as they come; the events when no topic is named")
    .option("--from-beginning", "the oldest kept record first")
    .option("--limit <records>", "end after so many", wholeNumber)
    .action(async (name, options) => {
      process.exitCode = await runCommand((io) => tailCommand(name, options, io, env()));
    });
}

/** Creates what is missing. Gives EXIT_DONE or EXIT_NOT_DONE. */
export function createCommand(
  options: TopicsCommandOptions,
  io: CommandIo,
  environment: Environment,
): Promise<number> {
  return onCluster(options, io, environment, async ({ settings, plans }) => {
    const topics = await createTopics(settings, plans);
    const width = Math.max(...plans.map(({ name }) => name.length));
    for (const topic of topics) {
      io.stdout.write(`${topic.plan.name.padEnd(width)}  ${outcomeOf(topic)}\n`);
    }
    return EXIT_DONE;
  });
}

/** Lists. Gives EXIT_DONE or EXIT_NOT_DONE. */
export function listCommand(
  options: TopicsCommandOptions,
  io: CommandIo,
  environment: Environment,
): Promise<number> {
  return onCluster(options, io, environment, async ({ settings, plans }) => {
    const rows = (await listTopics(settings)).map(({ name, partitions, replication, offsets }) => [
      name,
      `${partitions}`,
      `${replication}`,
      groupedNumber(offsets),
      plans.find((plan) => plan.name === name)?.purpose ?? "",
    ]);
    const columns = [
      { title: "topic" },
      { title: "partitions", right: true },
      { title: "replicas", right: true },
      { title: "records", right: true },
      { title: "what for" },
    ];
    io.stdout.write(textTable(columns, rows));
    return EXIT_DONE;
  });
}

/** Describes. Gives EXIT_NOT_DONE also when a named topic is not there. */
export function describeCommand(
  names: readonly string[],
  options: TopicsCommandOptions,
  io: CommandIo,
  environment: Environment,
): Promise<number> {
  return onCluster(options, io, environment, async ({ settings, plans }) => {
    const wanted = names.length > 0 ? names : plans.map(({ name }) => name);
    const topics = await describeTopics(settings, wanted);
    io.stdout.write(topics.map(descriptionText).join("\n"));
    const missing = wanted.filter((name) => !topics.some((topic) => topic.name === name));
    if (missing.length === 0) return EXIT_DONE;
    const mend = names.length > 0 ? "" : "; rta topics create makes what is missing";
    io.stderr.write(`rta topics: not there: ${missing.join(", ")}${mend}\n`);
    return EXIT_NOT_DONE;
  });
}

/** Prints records until it is interrupted, or has printed `limit`. */
export function tailCommand(
  name: string | undefined,
  options: TopicsCommandOptions,
  io: CommandIo,
  environment: Environment,
): Promise<number> {
  return onCluster(options, io, environment, async ({ settings, plans }) => {
    const { fromBeginning = false, limit = Infinity } = options;
    const topic = name ?? plans[0].name;
    const onTrouble = (message: string) => io.stderr.write(`rta topics: ${message}\n`);
    const tail = tailTopic(settings, topic, { fromBeginning, signal: io.signal, onTrouble });
    io.stderr.write(`records of ${topic}${fromBeginning ? "" : " from now on"}; Ctrl-C ends\n`);
    let left = limit;
    if (left <= 0) return EXIT_DONE;
    for await (const record of tail) {
      io.stdout.write(recordText(record));
      left--;
      if (left <= 0) return EXIT_DONE;
    }
    return EXIT_INTERRUPTED;
  });
}

/** Reads the settings, waits for a broker, and turns what is known to fail into a line. */
async function onCluster(
  options: TopicsCommandOptions,
  io: CommandIo,
  environment: Environment,
  use: (cluster: Cluster) => Promise<number>,
): Promise<number> {
  try {
    const config = readConfig(environment, {
      RTA_LOG: "kafka",
      RTA_KAFKA_BROKERS: options.brokers,
      RTA_PARTITIONS: options.partitions,
      RTA_KAFKA_REPLICATION: options.replication,
      RTA_KAFKA_RETENTION_HOURS: options.retentionHours,
    });
    const kafka = config.kafka!;
    const { brokers, tls, sasl, waitSeconds } = kafka;
    const settings: KafkaSettings = { brokers, tls, sasl, clientId: "rta-topics" };
    const say = (message: string) => io.stderr.write(`rta topics: ${message}\n`);
    await waitForBroker(settings, waitSeconds * 1000, say, io.signal);
    return await use({ settings, plans: plansOf(config) });
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) return EXIT_INTERRUPTED;
    if (!(error instanceof ConfigError) && !(error instanceof LogError)) throw error;
    io.stderr.write(`rta topics: ${error.message}\n`);
    return EXIT_NOT_DONE;
  }
}

function plansOf({ partitions, kafka }: Config): TopicPlan[] {
  const { topic, metricsTopic, dlqTopic, replication, retentionHours } = kafka!;
  return planTopics({ topic, metricsTopic, dlqTopic, partitions, replication, retentionHours });
}

function outcomeOf({ plan, created, partitions }: PlannedTopic): string {
  const has = partitions === 1 ? "1 partition" : `${partitions} partitions`;
  if (created) {
    const replicas = plan.replication === 1 ? "1 replica" : `${plan.replication} replicas`;
    return `created, ${has}, ${replicas}`;
  }
  if (partitions === plan.partitions) return `is there, ${has}`;
  return `is there with ${has}, not ${plan.partitions}: left as it is`;
}

function descriptionText({ name, partitionList, config }: TopicDescription): string {
  const columns = [
    { title: "partition", right: true },
    { title: "leader", right: true },
    { title: "replicas" },
    { title: "in sync" },
    { title: "begin", right: true },
    { title: "end", right: true },
  ];
  const rows = partitionList.map(({ partition, leader, replicas, inSync, begin, end }) => [
    `${partition}`,
    leader < 0 ? "none" : `${leader}`,
    replicas.join(","),
    inSync.join(","),
    `${begin}`,
    `${end}`,
  ]);
  const settings = Object.entries(config).map(([setting, value]) => `  ${setting}=${value}\n`);
  return `${name}\n${settings.join("")}${textTable(columns, rows)}`;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
