/**
 * Every environment variable of the platform: what it is for, what it may hold, and what it is when
 * missing. `config.ts` reads them; docs/CONFIGURATION.md lists them, and a test holds the two equal.
 */
import * as z from "zod";
import { ACCESS_VARIABLES } from "./access_variables.ts";
import { LOG_LEVELS, type LogLevel } from "./log_levels.ts";

export { LOG_LEVELS, type LogLevel };

/** What one process may do; `all` in RTA_ROLES means every one of them. */
export const ROLES = ["ingestion", "consumer", "analytics", "metrics", "gateway"] as const;
export type Role = typeof ROLES[number];
/** Roles with a gRPC port of their own. */
export type GrpcRole = Exclude<Role, "gateway">;

/** One variable. */
export interface Variable<T> {
  /** Its value when missing, as text; "" = worked out from the machine or from other variables. */
  readonly preset: string;
  /** What it may hold, to follow the words "give ". */
  readonly valid: string;
  /** What it is for, one sentence without its full stop. */
  readonly about: string;
  /** Text to value; fails when the text is not valid. */
  readonly schema: z.ZodType<T, string>;
}

function wholeNumber(preset: string, min: number, max: number, unit: string, about: string) {
  const schema = z.string().regex(/^\d{1,9}$/).transform(Number)
    .pipe(z.number().min(min).max(max));
  return { preset, valid: `a whole number of ${unit}, ${min} to ${max}`, about, schema };
}

function port(preset: string, role: Role) {
  const about = `Port of the role ${role}`;
  const variable = wholeNumber(preset, 0, 65_535, "", about);
  return { ...variable, valid: "a port number, 0 to 65535 (0 = any free port)" };
}

function grpcPort(preset: string, role: Role) {
  return { ...port(preset, role), about: `gRPC port of the role ${role}` };
}

function oneOf<const T extends readonly string[]>(preset: T[number], names: T, about: string) {
  return { preset, valid: `one of ${names.join(", ")}`, about, schema: z.enum(names) };
}

/** A setting whose other value is named in the design but not built yet. */
function onlyOne<T extends string>(only: T, notYet: string, about: string) {
  return {
    preset: only,
    valid: `${only} (${notYet} is not built yet)`,
    about,
    schema: z.literal(only),
  };
}

const pathSchema = z.string().min(1).refine((path) => !path.includes("\0"));
const brokersSchema = z.string().transform((text, context): readonly string[] => {
  const brokers = text.split(",").map((broker) => broker.trim());
  if (brokers.every((broker) => /^(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+):\d{1,5}$/.test(broker))) {
    return brokers;
  }
  context.issues.push({ code: "custom", message: "not host:port", input: text });
  return z.NEVER;
});

function topicName(preset: string, about: string) {
  return {
    preset,
    valid: "1 to 249 letters, digits, dots, hyphens and underscores",
    about,
    schema: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/),
  };
}

function optionalPath(about: string) {
  return { preset: "", valid: "the path of a file", about, schema: pathSchema };
}

function secret(about: string) {
  return { preset: "", valid: "any text", about, schema: z.string() };
}

const rolesSchema = z.string().transform((text, context): ReadonlySet<Role> => {
  const names = text.split(",").map((name) => name.trim());
  if (names.length === 1 && names[0] === "all") return new Set(ROLES);
  const parsed = z.array(z.enum(ROLES)).min(1).safeParse(names);
  if (parsed.success) return new Set(parsed.data);
  context.issues.push({ code: "custom", message: "unknown role", input: text });
  return z.NEVER;
});

const originsSchema = z.string().transform((text, context): "*" | ReadonlySet<string> => {
  if (text === "*") return text;
  const origins = text.split(",").map((origin) => origin.trim());
  // As browsers write it: lower case, no port where it is the scheme's own, no path.
  const isOrigin = (origin: string) =>
    /^https?:[^*]+$/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
  if (origins.every(isOrigin)) return new Set(origins);
  context.issues.push({ code: "custom", message: "no origin", input: text });
  return z.NEVER;
});

const hostSchema = z.string().regex(/^(?:[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.%]{2,45})$/);

/** Every variable by its name, in the order of the documentation. */
export const VARIABLES = {
  RTA_HOST: {
    preset: "127.0.0.1",
    valid: "an IP address or a host name; 0.0.0.0 = reachable from other machines",
    about: "Address that every port is opened on",
    schema: hostSchema,
  },
  RTA_GATEWAY_PORT: port("8080", "gateway"),
  RTA_INGESTION_PORT: port("8081", "ingestion"),
  RTA_CONSUMER_PORT: port("8082", "consumer"),
  RTA_ANALYTICS_PORT: port("8083", "analytics"),
  RTA_METRICS_PORT: port("8084", "metrics"),
  RTA_INGESTION_GRPC_PORT: grpcPort("50051", "ingestion"),
  RTA_CONSUMER_GRPC_PORT: grpcPort("50052", "consumer"),
  RTA_ANALYTICS_GRPC_PORT: grpcPort("50053", "analytics"),
  RTA_METRICS_GRPC_PORT: grpcPort("50054", "metrics"),
  RTA_TLS_CERT: optionalPath("PEM file of the certificate that every port is served with by TLS"),
  RTA_TLS_KEY: optionalPath("PEM file of that certificate's key"),
  RTA_TLS_CLIENT_CA: optionalPath(
    "PEM file of authorities: every client needs a certificate that one of them signed",
  ),
  RTA_ROLES: {
    preset: "all",
    valid: `all, or a list of ${ROLES.join(", ")} with commas between them`,
    about: "What this process does",
    schema: rolesSchema,
  },
  RTA_DATA: {
    preset: "./data",
    valid: "the path of a folder",
    about: "Folder of the log and the store; made when missing",
    schema: pathSchema,
  },
  RTA_LOG: oneOf("sqlite", ["sqlite", "kafka"], "What keeps the event log"),
  RTA_STORE: onlyOne("duckdb", "clickhouse", "What keeps rows and rollups"),
  RTA_ROWS: oneOf(
    "on",
    ["on", "off"],
    "Whether the store keeps events one by one, or rollups only, which is faster and smaller; fixed " +
      "when the store is made",
  ),
  RTA_SHARDS: wholeNumber(
    "",
    1,
    64,
    "shard threads",
    "Threads that process events; as many as cores when missing, never more than partitions",
  ),
  RTA_PARTITIONS: wholeNumber(
    "",
    1,
    256,
    "partitions",
    "Partitions of a new data folder, fixed for its life, or of a new Kafka topic; when missing, " +
      "the larger of 4 and the number of cores, or 8 on Kafka",
  ),
  RTA_LOG_LEVEL: oneOf("info", LOG_LEVELS, "Least level that is written to the log"),
  RTA_DEDUP_WINDOW_SECONDS: wholeNumber(
    "3600",
    1,
    604_800,
    "seconds",
    "How long a second event with the same id is known as a duplicate",
  ),
  RTA_DEDUP_MEMORY_MB: wholeNumber(
    "96",
    1,
    65_536,
    "MiB",
    "Memory for the ids known to all shards together; when it is full, the oldest are forgotten " +
      "before their time",
  ),
  RTA_STORE_MEMORY_MB: wholeNumber(
    "64",
    32,
    1_048_576,
    "MiB",
    "Memory that the store's files may use together",
  ),
  RTA_LOG_RETENTION_HOURS: wholeNumber(
    "24",
    0,
    87_600,
    "hours",
    "How long the log keeps events that are stored already",
  ),
  RTA_COMMIT_INTERVAL_MS: wholeNumber(
    "500",
    10,
    60_000,
    "ms",
    "Longest time between an event's processing and its commit to the store",
  ),
  RTA_SESSION_GAP_MINUTES: wholeNumber(
    "30",
    1,
    1_440,
    "minutes",
    "Inactivity after which a user without a session id begins a new session",
  ),
  RTA_KAFKA_BROKERS: {
    preset: "",
    valid: "a list of host:port with commas between them",
    about: "Brokers that the Kafka cluster is found by; needed with RTA_LOG=kafka",
    schema: brokersSchema,
  },
  RTA_KAFKA_TOPIC: topicName("analytics-events", "Topic of the events"),
  RTA_KAFKA_METRICS_TOPIC: topicName("metrics-data", "Topic of the shards' rollup changes"),
  RTA_KAFKA_DLQ_TOPIC: topicName("analytics-events-dlq", "Topic of the dead letters"),
  RTA_KAFKA_GROUP: topicName("rta-consumer", "Consumer group that the shards are members of"),
  RTA_KAFKA_RECORDS: oneOf(
    "single",
    ["single", "batched"],
    "One event a Kafka record with the user as its key, or many lines in one record, which is faster",
  ),
  RTA_KAFKA_COMPRESSION: oneOf(
    "zstd",
    ["none", "gzip", "zstd"],
    "How records are compressed on their way to Kafka",
  ),
  RTA_KAFKA_REPLICATION: wholeNumber(
    "1",
    1,
    9,
    "replicas",
    "Replicas of the topics that are created",
  ),
  RTA_KAFKA_RETENTION_HOURS: wholeNumber(
    "168",
    1,
    87_600,
    "hours",
    "How long a created topic keeps its records",
  ),
  RTA_KAFKA_SESSION_TIMEOUT_MS: wholeNumber(
    "10000",
    1_000,
    300_000,
    "ms",
    "Silence after which Kafka gives a shard's partitions to another one",
  ),
  RTA_KAFKA_WAIT_SECONDS: wholeNumber(
    "60",
    0,
    86_400,
    "seconds",
    "How long the start waits for brokers that are not up yet",
  ),
  RTA_KAFKA_TLS: oneOf("off", ["off", "on"], "Whether brokers are spoken to by TLS"),
  RTA_KAFKA_TLS_CA: optionalPath("PEM file of the authority that signed the brokers' certificates"),
  RTA_KAFKA_TLS_CERT: optionalPath("PEM file of the client's certificate, for mutual TLS"),
  RTA_KAFKA_TLS_KEY: optionalPath("PEM file of the client's key, for mutual TLS"),
  RTA_KAFKA_SASL: oneOf(
    "none",
    ["none", "plain", "scram-sha-256", "scram-sha-512"],
    "How this process proves to the brokers who it is",
  ),
  RTA_KAFKA_USERNAME: secret("User name for RTA_KAFKA_SASL"),
  RTA_KAFKA_PASSWORD: secret("Password for RTA_KAFKA_SASL"),
  RTA_ANALYTICS_URL: {
    preset: "",
    valid: "an http:// or https:// address without a path",
    about: "Where a gateway without the role analytics sends its questions",
    schema: z.url({ protocol: /^https?$/ }).transform((url) => new URL(url).origin),
  },
  RTA_ANALYTICS_TLS_CA: optionalPath(
    "PEM file of the authority that signed the certificate of RTA_ANALYTICS_URL; the system's if missing",
  ),
  RTA_ANALYTICS_TLS_CERT: optionalPath(
    "PEM file of the certificate that RTA_ANALYTICS_URL is shown, for mutual TLS",
  ),
  RTA_ANALYTICS_TLS_KEY: optionalPath("PEM file of that certificate's key"),
  RTA_CORS_ORIGINS: {
    preset: "",
    valid:
      "a list of origins as browsers write them, such as https://app.example.com (lower case, " +
      "no path, no final slash), with commas between them, or * for all",
    about: "Origins whose pages may use the HTTP ports from a browser (CORS); none when missing",
    schema: originsSchema,
  },
  RTA_SQL: {
    preset: "",
    valid: "on or off",
    about:
      "Whether POST /v1/sql answers; when missing, yes unless RTA_AUTH=off on an address that " +
      "other machines reach",
    schema: z.enum(["on", "off"]),
  },
  ...ACCESS_VARIABLES,
  RTA_FAULT: {
    preset: "",
    valid: "nothing",
    about: "Makes the process fail on purpose; for the tests of this program only",
    schema: z.string(),
  },
} as const satisfies Record<string, Variable<unknown>>;

export type VariableName = keyof typeof VARIABLES;
