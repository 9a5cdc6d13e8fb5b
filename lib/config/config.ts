/**
 * Settings from the environment and the command line, checked as a whole before anything starts.
 *
 * All that is wrong is reported at once, each with the variable, the value it has and what would be
 * valid, so that one look at the message mends the start.
 */
import { type AccessConfig, accessConfigOf, accessProblems, isLoopback } from "./access_config.ts";
import type { KafkaLogSettings } from "../log/kafka/settings.ts";
import type { GrpcRole, LogLevel, Role } from "./variables.ts";
import { type VariableName, VARIABLES } from "./variables.ts";

export type { GrpcRole, LogLevel, Role, VariableName };
export { ROLES } from "./variables.ts";

/** How Kafka is reached and used; each process has a client id of its own. */
export interface KafkaConfig extends Omit<KafkaLogSettings, "clientId"> {
  readonly metricsTopic: string;
  readonly dlqTopic: string;
  /** Of topics that are created. */
  readonly replication: number;
  readonly retentionHours: number;
  /** Longest wait for brokers at the start. */
  readonly waitSeconds: number;
}

/** Files in PEM that ports are served with. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities of clients; null = clients need no certificate. */
  readonly clientCaFile: string | null;
}

/** Files of a client's side of TLS; null = not given. */
export interface ClientTlsConfig {
  /** Authorities that may have signed the server's certificate. */
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

/** The settings of one process. */
export interface Config {
  readonly host: string;
  /** Port by role; 0 = any free port. */
  readonly ports: Readonly<Record<Role, number>>;
  /** Ports for gRPC; the gateway has none. */
  readonly grpcPorts: Readonly<Record<GrpcRole, number>>;
  /** null = plain text. */
  readonly tls: TlsConfig | null;
  readonly roles: ReadonlySet<Role>;
  /** As given: relative paths are relative to the working directory. */
  readonly dataFolder: string;
  readonly log: "sqlite" | "kafka";
  readonly store: "duckdb";
  /** Whether the store keeps events one by one. */
  readonly keepsRows: boolean;
  /** Null unless `log` is kafka. */
  readonly kafka: KafkaConfig | null;
  /** Origin of the analytics role, for a gateway without it; null = in this process. */
  readonly analyticsUrl: string | null;
  /** What it is spoken to with. */
  readonly analyticsTls: ClientTlsConfig;
  /** Origins whose pages may use the HTTP ports; `*` = all, null = none. */
  readonly corsOrigins: "*" | ReadonlySet<string> | null;
  /** Shard workers; `min(shards, partitions)` of them get work. */
  readonly shards: number;
  /** Partitions of a data folder that is made now. */
  readonly partitions: number;
  /** False: an existing data folder's own number of partitions takes precedence. */
  readonly partitionsGiven: boolean;
  readonly logLevel: LogLevel;
  readonly dedupWindowSeconds: number;
  /** MiB, of all shards together. */
  readonly dedupMemoryMb: number;
  /** MiB, of all partition files together. */
  readonly storeMemoryMb: number;
  readonly logRetentionHours: number;
  readonly commitIntervalMs: number;
  readonly sessionGapMinutes: number;
  /** Who may do what. */
  readonly access: AccessConfig;
  /** Why SQL is off, and how to switch it on; null = it is on. */
  readonly sqlOff: string | null;
  /** What is to fail on purpose; null outside tests. */
  readonly fault: string | null;
  /** `RTA_*` variables that are set but mean nothing; worth a warning, most are misspelt. */
  readonly unknownVariables: readonly string[];
}

/** One thing that is wrong with the settings. */
export interface ConfigProblem {
  readonly variable: VariableName;
  /** As given; "" when missing. */
  readonly value: string;
  /** What would be valid, and where it is not plain, why. */
  readonly message: string;
}

/** The settings cannot be used; the message names every problem and its mend. */
export class ConfigError extends Error {
  readonly code = "RTA_CONFIG_INVALID";
  constructor(readonly problems: readonly ConfigProblem[]) {
    const lines = problems.map((p) => `${p.variable}=${JSON.stringify(p.value)}: ${p.message}`);
    super(lines.join("\n"));
    this.name = "ConfigError";
  }
}

/** Environment variables, as `Deno.env.toObject()` gives them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Partitions of a topic that is created. */
const KAFKA_PARTITIONS_DEFAULT = 8;

type Values = {
  [N in VariableName]: (typeof VARIABLES)[N]["schema"]["_output"] | null;
};

/**
 * Reads and checks the settings.
 *
 * @param overrides what the command line gives, by variable name; stronger than the environment
 * @param cores number of cores, for what is missing
 * @throws {ConfigError} naming each variable at fault, its value and what is valid
 */
export function readConfig(
  environment: Environment,
  overrides: Environment = {},
  cores: number = navigator.hardwareConcurrency,
): Config {
  const given: Environment = { ...environment, ...withoutMissing(overrides) };
  const problems: ConfigProblem[] = [];
  const values = parseAll(given, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const config = configOf(values, cores);
  checkTls(values, given, problems);
  checkRoles(config, given, problems);
  checkKafka(values, given, problems);
  checkPorts(config, problems);
  problems.push(...accessProblems(values, config.host));
  checkShards(config, values.RTA_SHARDS, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...config,
    unknownVariables: Object.keys(given)
      .filter((name) => name.startsWith("RTA_") && !(name in VARIABLES))
      // Those are for the tests of this program.
      .filter((name) => !name.startsWith("RTA_TEST_")).sort(),
  };
}

function withoutMissing(overrides: Environment): Environment {
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
}

/** Null = missing, and worked out later. A variable set to nothing counts as missing. */
function parseAll(given: Environment, problems: ConfigProblem[]): Values {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(VARIABLES) as VariableName[]) {
    const variable = VARIABLES[name];
    const text = (given[name] ?? "").trim();
    const effective = text === "" ? variable.preset : text;
    if (effective === "") {
      values[name] = null;
      continue;
    }
    const parsed = variable.schema.safeParse(effective);
    if (parsed.success) values[name] = parsed.data;
    else problems.push({ variable: name, value: text, message: `give ${variable.valid}` });
  }
  return values as Values;
}

function configOf(values: Values, cores: number): Omit<Config, "unknownVariables"> {
  const shardsGiven = values.RTA_SHARDS;
  const kafka = kafkaOf(values);
  const usual = kafka === null ? Math.max(4, Math.min(cores, 256)) : KAFKA_PARTITIONS_DEFAULT;
  const partitions = values.RTA_PARTITIONS ?? Math.max(usual, shardsGiven ?? 0);
  return {
    host: values.RTA_HOST!,
    ports: {
      gateway: values.RTA_GATEWAY_PORT!,
      ingestion: values.RTA_INGESTION_PORT!,
      consumer: values.RTA_CONSUMER_PORT!,
      analytics: values.RTA_ANALYTICS_PORT!,
      metrics: values.RTA_METRICS_PORT!,
    },
    grpcPorts: {
      ingestion: values.RTA_INGESTION_GRPC_PORT!,
      consumer: values.RTA_CONSUMER_GRPC_PORT!,
      analytics: values.RTA_ANALYTICS_GRPC_PORT!,
      metrics: values.RTA_METRICS_GRPC_PORT!,
    },
    tls: tlsOf(values),
    roles: values.RTA_ROLES!,
    dataFolder: values.RTA_DATA!,
    log: values.RTA_LOG!,
    store: values.RTA_STORE!,
    keepsRows: values.RTA_ROWS === "on",
    kafka,
    analyticsUrl: values.RTA_ANALYTICS_URL,
    analyticsTls: {
      caFile: values.RTA_ANALYTICS_TLS_CA,
      certFile: values.RTA_ANALYTICS_TLS_CERT,
      keyFile: values.RTA_ANALYTICS_TLS_KEY,
    },
    corsOrigins: values.RTA_CORS_ORIGINS,
    shards: shardsGiven ?? Math.min(cores, partitions, 64),
    partitions,
    partitionsGiven: values.RTA_PARTITIONS !== null,
    logLevel: values.RTA_LOG_LEVEL!,
    dedupWindowSeconds: values.RTA_DEDUP_WINDOW_SECONDS!,
    dedupMemoryMb: values.RTA_DEDUP_MEMORY_MB!,
    storeMemoryMb: values.RTA_STORE_MEMORY_MB!,
    logRetentionHours: values.RTA_LOG_RETENTION_HOURS!,
    commitIntervalMs: values.RTA_COMMIT_INTERVAL_MS!,
    sessionGapMinutes: values.RTA_SESSION_GAP_MINUTES!,
    access: accessConfigOf(values, values.RTA_HOST!, values.RTA_DATA!),
    sqlOff: sqlOff(values),
    fault: values.RTA_FAULT,
  };
}

function tlsOf(values: Values): TlsConfig | null {
  const { RTA_TLS_CERT: certFile, RTA_TLS_KEY: keyFile, RTA_TLS_CLIENT_CA: clientCaFile } = values;
  return certFile === null || keyFile === null ? null : { certFile, keyFile, clientCaFile };
}

/** A certificate has a key; clients are asked for theirs by TLS only. */
function checkTls(values: Values, given: Environment, problems: ConfigProblem[]): void {
  const refuse = (variable: VariableName, message: string) =>
    problems.push({ variable, value: given[variable] ?? "", message });
  if ((values.RTA_TLS_CERT === null) !== (values.RTA_TLS_KEY === null)) {
    const missing = values.RTA_TLS_CERT === null ? "RTA_TLS_CERT" : "RTA_TLS_KEY";
    refuse(missing, "give RTA_TLS_CERT and RTA_TLS_KEY together");
  } else if (values.RTA_TLS_CLIENT_CA !== null && values.RTA_TLS_CERT === null) {
    refuse("RTA_TLS_CLIENT_CA", "give RTA_TLS_CERT and RTA_TLS_KEY as well: it is of TLS");
  }
  const { RTA_ANALYTICS_TLS_CERT: cert, RTA_ANALYTICS_TLS_KEY: key } = values;
  if ((cert === null) !== (key === null)) {
    const missing = cert === null ? "RTA_ANALYTICS_TLS_CERT" : "RTA_ANALYTICS_TLS_KEY";
    refuse(missing, "give RTA_ANALYTICS_TLS_CERT and RTA_ANALYTICS_TLS_KEY together");
  }
  for (const name of ["RTA_ANALYTICS_TLS_CA", "RTA_ANALYTICS_TLS_CERT"] as const) {
    if (values[name] !== null && !values.RTA_ANALYTICS_URL?.startsWith("https:")) {
      refuse(name, "give an RTA_ANALYTICS_URL that begins with https:// as well: it is of TLS");
    }
  }
}

/** Without keys, SQL is for those at this machine; with keys, for admins. */
function sqlOff({ RTA_SQL: given, RTA_HOST: host, RTA_AUTH: auth }: Values): string | null {
  if (given === "on" || (given === null && (isLoopback(host!) || auth !== "off"))) return null;
  return given === "off"
    ? "SQL is off: RTA_SQL=off; RTA_SQL=on switches it on"
    : `SQL is off unless RTA_SQL=on, because other machines reach RTA_HOST=${host} without a key`;
}

function kafkaOf(values: Values): KafkaConfig | null {
  if (values.RTA_LOG !== "kafka") return null;
  const tls = {
    ...(values.RTA_KAFKA_TLS_CA === null ? {} : { caFile: values.RTA_KAFKA_TLS_CA }),
    ...(values.RTA_KAFKA_TLS_CERT === null ? {} : { certFile: values.RTA_KAFKA_TLS_CERT }),
    ...(values.RTA_KAFKA_TLS_KEY === null ? {} : { keyFile: values.RTA_KAFKA_TLS_KEY }),
  };
  return {
    brokers: values.RTA_KAFKA_BROKERS ?? [],
    topic: values.RTA_KAFKA_TOPIC!,
    metricsTopic: values.RTA_KAFKA_METRICS_TOPIC!,
    dlqTopic: values.RTA_KAFKA_DLQ_TOPIC!,
    group: values.RTA_KAFKA_GROUP!,
    records: values.RTA_KAFKA_RECORDS!,
    compression: values.RTA_KAFKA_COMPRESSION!,
    replication: values.RTA_KAFKA_REPLICATION!,
    retentionHours: values.RTA_KAFKA_RETENTION_HOURS!,
    sessionTimeoutMs: values.RTA_KAFKA_SESSION_TIMEOUT_MS!,
    waitSeconds: values.RTA_KAFKA_WAIT_SECONDS!,
    tls: values.RTA_KAFKA_TLS === "on" ? tls : null,
    sasl: values.RTA_KAFKA_SASL === "none" ? null : {
      mechanism: values.RTA_KAFKA_SASL!,
      username: values.RTA_KAFKA_USERNAME ?? "",
      password: values.RTA_KAFKA_PASSWORD ?? "",
    },
  };
}

/** What the Kafka settings need of each other. */
function checkKafka(values: Values, given: Environment, problems: ConfigProblem[]): void {
  const refuse = (variable: VariableName, message: string) =>
    problems.push({ variable, value: given[variable] ?? "", message });
  if (values.RTA_LOG !== "kafka") return;
  if (values.RTA_KAFKA_BROKERS === null) {
    refuse(
      "RTA_KAFKA_BROKERS",
      `give ${VARIABLES.RTA_KAFKA_BROKERS.valid}: RTA_LOG=kafka needs it`,
    );
  }
  if (values.RTA_KAFKA_SASL !== "none") {
    for (const name of ["RTA_KAFKA_USERNAME", "RTA_KAFKA_PASSWORD"] as const) {
      if (values[name] === null) refuse(name, "give it, or set RTA_KAFKA_SASL=none");
    }
  }
  if (values.RTA_KAFKA_TLS === "off") {
    for (const name of ["RTA_KAFKA_TLS_CA", "RTA_KAFKA_TLS_CERT", "RTA_KAFKA_TLS_KEY"] as const) {
      if (values[name] !== null) refuse(name, "set RTA_KAFKA_TLS=on, or leave it out");
    }
  }
  if ((values.RTA_KAFKA_TLS_CERT === null) !== (values.RTA_KAFKA_TLS_KEY === null)) {
    refuse("RTA_KAFKA_TLS_CERT", "give RTA_KAFKA_TLS_CERT and RTA_KAFKA_TLS_KEY together");
  }
}

/** Which roles must live in one process, by where log and store are kept. */
function checkRoles(
  config: Omit<Config, "unknownVariables">,
  given: Environment,
  problems: ConfigProblem[],
): void {
  const { roles } = config;
  const refuse = (message: string) =>
    problems.push({ variable: "RTA_ROLES", value: given.RTA_ROLES ?? "", message });
  if (roles.has("consumer") !== roles.has("analytics")) {
    const missing = roles.has("consumer") ? "analytics" : "consumer";
    refuse(
      `RTA_STORE=duckdb keeps consumer and analytics in one process, since one process alone can ` +
        `open its files: add ${missing}`,
    );
  }
  if (config.log === "sqlite" && roles.has("consumer") && !roles.has("ingestion")) {
    refuse(
      "RTA_LOG=sqlite keeps consumer and ingestion in one process, since new events are signalled " +
        "in memory: add ingestion, or use RTA_LOG=kafka",
    );
  }
  if (roles.has("gateway") && !roles.has("analytics") && config.analyticsUrl === null) {
    refuse(
      "gateway answers questions from analytics: add it, or name the process that has it by " +
        "RTA_ANALYTICS_URL",
    );
  }
  if (config.log === "sqlite" && roles.has("gateway") && !roles.has("ingestion")) {
    refuse(
      "RTA_LOG=sqlite has one process that writes, and gateway takes events in: add ingestion, or " +
        "use RTA_LOG=kafka",
    );
  }
}

function checkPorts(config: Omit<Config, "unknownVariables">, problems: ConfigProblem[]): void {
  const takenBy = new Map<number, string>();
  const take = (number: number, role: Role, variable: VariableName) => {
    const other = takenBy.get(number);
    if (number !== 0 && other !== undefined) {
      const message = `give another port: ${other} has this one`;
      problems.push({ variable, value: String(number), message });
    }
    takenBy.set(number, role);
  };
  for (const role of config.roles) {
    const prefix = `RTA_${role.toUpperCase()}` as const;
    take(config.ports[role], role, `${prefix}_PORT` as VariableName);
    if (role === "gateway") continue;
    take(config.grpcPorts[role], role, `${prefix}_GRPC_PORT` as VariableName);
  }
}

function checkShards(
  config: Omit<Config, "unknownVariables">,
  shardsGiven: number | null,
  problems: ConfigProblem[],
): void {
  // A topic that is there already may have more partitions than a new one would get.
  if (config.log === "kafka") return;
  if (shardsGiven === null || shardsGiven <= config.partitions) return;
  problems.push({
    variable: "RTA_SHARDS",
    value: String(shardsGiven),
    message: `give at most ${config.partitions}, the number of partitions: a partition has one ` +
      `shard at a time, and more would have nothing to do`,
  });
}
