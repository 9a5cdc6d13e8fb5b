/**
 * How large a bench is: environment variables, so that a case can be tried small. Only what is
 * measured at full size goes into docs/BENCHMARKS.md by itself.
 */

/** Sizes of one bench. */
export interface BenchSettings {
  /** Interleaved runs of everything; the medians are reported. */
  readonly runs: number;
  /** Events of the backlog. */
  readonly backlogEvents: number;
  /** Events of the 30 days that are asked about. */
  readonly queryEvents: number;
  /** Queries of each kind in one run against the platform. */
  readonly queries: number;
  /** Queries of each kind in one run against DuckDB alone. */
  readonly peerQueries: number;
  /** Analytics questions of each kind in one run, to the platform and to each peer. */
  readonly questions: number;
  /** How long requests are sent in one run of an ingest case, s. */
  readonly loadSeconds: number;
  /** How long the steady load of the memory case lasts, s. */
  readonly steadySeconds: number;
  /** Probes of each kind in one run of the freshness case. */
  readonly probes: number;
  /** Events of each topic that the Kafka cases read, and of one run of their producing peer. */
  readonly kafkaEvents: number;
  /** Topics of the case kafka-backlog: batched records on 4 partitions, on 8, then single ones. */
  readonly kafkaTopics: number;
}

/** Name, full size and what it sizes. */
const VARIABLES = {
  runs: ["RTA_BENCH_RUNS", 5],
  backlogEvents: ["RTA_BENCH_BACKLOG", 2_000_000],
  queryEvents: ["RTA_BENCH_EVENTS", 10_000_000],
  queries: ["RTA_BENCH_QUERIES", 1_000],
  peerQueries: ["RTA_BENCH_PEER_QUERIES", 40],
  questions: ["RTA_BENCH_QUESTIONS", 6],
  loadSeconds: ["RTA_BENCH_SECONDS", 6],
  steadySeconds: ["RTA_BENCH_STEADY_SECONDS", 60],
  probes: ["RTA_BENCH_PROBES", 300],
  kafkaEvents: ["RTA_BENCH_KAFKA", 2_000_000],
  kafkaTopics: ["RTA_BENCH_KAFKA_TOPICS", 4],
} as const satisfies Record<keyof BenchSettings, readonly [string, number]>;

/** @throws RangeError naming the variable that is no whole number above 0 */
export function readBenchSettings(
  environment: Readonly<Record<string, string | undefined>>,
): BenchSettings {
  const settings = Object.entries(VARIABLES).map(([key, [name, full]]) => {
    const text = environment[name] ?? "";
    const value = text === "" ? full : Number(text);
    if (Number.isSafeInteger(value) && value > 0) return [key, value];
    throw new RangeError(`${name} must be a whole number above 0, not ${text}`);
  });
  return Object.fromEntries(settings) as unknown as BenchSettings;
}

/** Whether nothing is smaller than the figures of the documentation ask for. */
export function isFullSize(settings: BenchSettings): boolean {
  return Object.entries(VARIABLES).every(([key, [, full]]) =>
    settings[key as keyof BenchSettings] >= full
  );
}

/** Names of the variables. */
export function settingNames(): string[] {
  return Object.values(VARIABLES).map(([name]) => name);
}

/** The variables with their full sizes, one a line, for `--help`. */
export function describeSettings(): string {
  return Object.values(VARIABLES).map(([name, full]) => `  ${name.padEnd(26)} ${full}`).join("\n");
}
