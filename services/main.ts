/**
 * The composition root and the `rta` command line: the one place that knows every part.
 *
 *     rta serve    every role of RTA_ROLES in this process, until SIGINT or SIGTERM
 *     rta run      the same under a restart loop (`make run`)
 *     rta import, rta generate, rta example    clients of a running platform
 *
 * `Platform` is the wiring of `serve`, in the order in which things start; `stop` undoes it in the
 * order in which nothing is lost: no new requests, requests answered, log written, shards committed.
 */
import process from "node:process";
import { Command } from "commander";
import { type Config, ConfigError, readConfig, type Role, ROLES } from "../lib/config/config.ts";
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from "../lib/config/exit_codes.ts";
import {
  CELL_BYTES_MAX,
  CELL_FLUSH_MS,
  DELTA_BYTES_MAX,
  DRAIN_MS_MAX,
  GAUGE_REFRESH_MS,
  SESSION_BYTES_MAX,
  STOP_MS_MAX,
  TRIM_INTERVAL_MS,
} from "../lib/config/limits.ts";
import {
  type DataFolder,
  DataFolderError,
  lockDataFolder,
} from "../lib/data_folder/data_folder.ts";
import type { Handler } from "../lib/http/app.ts";
import { DrainGate } from "../lib/http/drain_gate.ts";
import { type HttpServer, listen, ListenError } from "../lib/http/listen.ts";
import type { HealthReport, OperationalOptions } from "../lib/http/operational_routes.ts";
import { ProblemError } from "../lib/http/problem.ts";
import { BodyReader } from "../lib/http/read_body.ts";
import { createServiceHandler } from "../lib/http/service_handler.ts";
import { LogError } from "../lib/log/event_log.ts";
import { partitionOf } from "../lib/log/murmur2.ts";
import { LogSignal, madePartitions } from "../lib/log/sqlite/mod.ts";
import { StoreError, type UserEventsQuery } from "../lib/store/event_store.ts";
import { createLogger, type Logger } from "../lib/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../lib/telemetry/metrics.ts";
import type { ShardFault } from "../workers/protocol.ts";
import type { AnalyticsPorts } from "./analytics/answer_query.ts";
import { analyticsRoutes, legacyAnalyticsRoutes } from "./analytics/http.ts";
import { banner } from "./commands/banner.ts";
import { addClientCommands } from "./commands/client_commands.ts";
import { ConsumerState } from "./consumer/consumer_state.ts";
import { createConsumerHandler } from "./consumer/http.ts";
import { ShardPool } from "./consumer/shard_pool.ts";
import { createGatewayHandler } from "./gateway/http.ts";
import { EventAcceptor } from "./ingestion/accept_events.ts";
import { createIngestionHandler } from "./ingestion/http.ts";
import { v1IngestRoutes } from "./ingestion/v1_http.ts";
import { WriterHost } from "./ingestion/writer_host.ts";
import { createMetricsHandler, metricsRoutes } from "./metrics/http.ts";
import { superviseServe } from "./supervise.ts";

const MIB = 1024 * 1024;
/** All that is not named is one project until keys name others. */
const DEFAULT_PROJECT = "default";

/** One process of the platform, all its roles. */
class Platform {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #startedAtMs = Date.now();
  readonly #metrics: Metrics = createMetrics(this.#startedAtMs);
  readonly #servers = new Map<Role, HttpServer>();
  readonly #gate = new DrainGate();
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #ending = Promise.withResolvers<number>();
  #failure: number | null = null;
  #folder: DataFolder | null = null;
  #partitions = 0;
  #writer: WriterHost | null = null;
  #pool: ShardPool | null = null;
  #acceptor!: EventAcceptor;
  #consumer!: ConsumerState;
  #logFailure: string | null = null;
  #stopping = false;

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
  }

  /** Resolves with an exit code when the process has to end by itself. */
  get ended(): Promise<number> {
    return this.#ending.promise;
  }

  /** That exit code, once there is one: also when it failed while it was told to stop. */
  get failure(): number | null {
    return this.#failure;
  }

  async start(): Promise<void> {
    const { roles, host, ports, dataFolder } = this.#config;
    this.#folder = lockDataFolder(dataFolder);
    this.#partitions = this.#choosePartitions(this.#folder.path);
    this.#writer = await this.#startWriter(this.#folder.path);
    const signal = new LogSignal(this.#writer.signal);
    this.#consumer = new ConsumerState({
      partitions: this.#partitions,
      metrics: this.#metrics,
      highWater: (partition) => signal.highWater(partition),
      now: Date.now,
    });
    if (roles.has("consumer")) await this.#startShards(this.#folder.path, this.#writer.signal);
    this.#acceptor = new EventAcceptor({
      producer: this.#writer.producer,
      partitions: this.#partitions,
      metrics: this.#metrics,
    });
    const bodies = new BodyReader();
    for (const role of ROLES) {
      if (!roles.has(role)) continue;
      const handler = this.#gate.guard(this.#handlerOf(role, bodies));
      this.#servers.set(role, listen({ host, port: ports[role], handler }));
    }
    this.#timers.push(setInterval(() => this.#refreshGauges(), GAUGE_REFRESH_MS));
    this.#timers.push(setInterval(() => this.#trim(), TRIM_INTERVAL_MS));
    this.#announce();
  }

  /** Drains and closes all that runs. Safe at any point of the start. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    const halfMs = DRAIN_MS_MAX / 2;
    if (this.#servers.size > 0) await this.#gate.hold(halfMs);
    const closing = [...this.#servers.values()].map((server) => server.stop(halfMs));
    // The listeners are gone after this turn: who reads an answer and comes again is refused then.
    setTimeout(() => this.#gate.release());
    await Promise.all(closing);
    this.#acceptor?.startDraining();
    await this.#writer?.producer.drain();
    await this.#pool?.stop();
    await this.#writer?.stop();
    this.#folder?.release();
  }

  #choosePartitions(folder: string): number {
    const made = madePartitions(folder);
    const { partitions, partitionsGiven } = this.#config;
    if (made === null || made === partitions || partitionsGiven) return partitions;
    this.#logger.info({ partitions: made }, "the data folder's number of partitions is kept");
    return made;
  }

  async #startWriter(folder: string): Promise<WriterHost> {
    const logger = this.#logger.child({ stage: "log" });
    this.#metrics.logConnectivity.set(1);
    const writer = new WriterHost({
      folder,
      partitions: this.#partitions,
      onLost: (events, failure) => {
        this.#metrics.errors.inc({ service: "ingestion", error_type: failure.code }, events);
        logger.error({ events, err: failure }, "events answered with 202 were not stored");
      },
      onLogState: (failure) => {
        this.#logFailure = failure?.code ?? null;
        this.#metrics.logConnectivity.set(failure === null ? 1 : 0);
        if (failure === null) logger.info("the log takes events again");
        else logger.error({ code: failure.code, detail: failure.message }, "the log fails");
      },
      onTrimmed: (records) => {
        if (records > 0) logger.info({ records }, "forgot stored records of the log");
      },
      onFatal: (exitCode, reason) => this.#fail(exitCode, reason),
    });
    await writer.start();
    return writer;
  }

  async #startShards(folder: string, signal: SharedArrayBuffer): Promise<void> {
    const config = this.#config;
    const partitions = this.#partitions;
    const logger = this.#logger.child({ stage: "process" });
    this.#pool = new ShardPool({
      shards: Math.min(config.shards, partitions),
      partitions,
      folder,
      signal,
      storeMemoryMb: Math.floor(config.storeMemoryMb / partitions),
      commitIntervalMs: config.commitIntervalMs,
      logLevel: config.logLevel,
      fault: faultOf(config.fault),
      processor: {
        dedupWindowMs: config.dedupWindowSeconds * 1000,
        dedupBytesMax: Math.floor(config.dedupMemoryMb * MIB / partitions),
        sessionGapMs: config.sessionGapMinutes * 60_000,
        sessionBytesMax: Math.floor(SESSION_BYTES_MAX / partitions),
        cellBytesMax: Math.floor(CELL_BYTES_MAX / partitions),
        flushIntervalMs: CELL_FLUSH_MS,
        flushBytes: DELTA_BYTES_MAX,
      },
      onProgress: (progress) => this.#consumer.update(progress),
      onReplaced: (shard, code, message) => {
        this.#metrics.shardRestarts.inc();
        logger.error({ shard, code, detail: message }, "a shard failed and is replaced");
      },
      onFatal: (exitCode, reason) => this.#fail(exitCode, reason),
    });
    await this.#pool.start();
  }

  #handlerOf(role: Role, bodies: BodyReader): Handler {
    const logger = this.#logger;
    const operational = this.#operationalOf(role);
    const projectOf = () => DEFAULT_PROJECT;
    const ingest = { acceptor: this.#acceptor, bodies, projectOf };
    const analytics = { ports: this.#analyticsPorts(), projectOf };
    switch (role) {
      case "ingestion":
        return createIngestionHandler({ ...ingest, operational, logger });
      case "gateway":
        return createGatewayHandler({
          operational,
          logger,
          serviceHealth: {
            events: () => this.#health("ingestion"),
            analytics: () => this.#health("analytics"),
            metrics: () => this.#health("metrics"),
          },
          routes: [
            v1IngestRoutes({ ...ingest, node: `${Deno.hostname()}:${Deno.pid}` }),
            analyticsRoutes(analytics),
            metricsRoutes(this.#metrics),
          ],
        });
      case "consumer":
        return createConsumerHandler({
          operational,
          logger,
          stats: () => this.#consumer.stats(),
          lag: () => this.#consumer.lag(),
        });
      case "analytics":
        return createServiceHandler({
          operational,
          logger,
          routes: [legacyAnalyticsRoutes(analytics)],
        });
      case "metrics":
        return createMetricsHandler({ operational, logger });
    }
  }

  #operationalOf(service: Role): OperationalOptions {
    const readsLog = service === "consumer" || service === "analytics" || service === "gateway";
    return {
      service,
      metrics: this.#metrics,
      startedAtMs: this.#startedAtMs,
      health: () => this.#health(service),
      ready: () => {
        if (this.#stopping) return { ready: false, reason: "shutting down" };
        if (readsLog && !this.#pool?.ready) return { ready: false, reason: "a shard is starting" };
        return { ready: true };
      },
      stats: service === "ingestion"
        ? () => ({ ...this.#acceptor.stats.snapshot(Date.now()) })
        : undefined,
    };
  }

  #health(service: Role): HealthReport {
    const logStatus = this.#logFailure === null ? "healthy" : "unhealthy";
    const shardsReady = this.#pool === null || this.#pool.ready;
    const details = service === "ingestion"
      ? this.#acceptor.stats.snapshot(Date.now())
      : service === "consumer"
      ? { lag_events: this.#consumer.totalLag, shards: this.#pool?.shards ?? 0 }
      : {};
    const status = logStatus === "unhealthy" && (service === "ingestion" || service === "gateway")
      ? "unhealthy"
      : logStatus === "unhealthy" || !shardsReady
      ? "degraded"
      : "healthy";
    return { status, logStatus, details: { log: "sqlite", ...details } };
  }

  #analyticsPorts(): AnalyticsPorts {
    const encoder = new TextEncoder();
    const ask = async <T>(question: string, put: () => Promise<T>): Promise<T> => {
      const end = this.#metrics.queryDuration.startTimer({ question });
      try {
        return await put();
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        throw new ProblemError("store_unavailable", undefined, { cause: error });
      } finally {
        end();
      }
    };
    return {
      now: Date.now,
      askShards: (plan) => ask("rollups", () => this.#pool!.askRollups(plan)),
      askUser: (query: UserEventsQuery) => {
        const bytes = encoder.encode(query.userId);
        const partition = partitionOf(bytes, 0, bytes.length, this.#partitions);
        return ask("user", () => this.#pool!.askUser(partition, query));
      },
    };
  }

  #refreshGauges(): void {
    this.#consumer.refreshGauges();
    this.#acceptor.refreshGauges();
    this.#metrics.ringBytes.set({ ring: "writer" }, this.#writer!.producer.inFlightBytes);
  }

  #trim(): void {
    const { logRetentionHours, roles } = this.#config;
    if (!roles.has("consumer")) return;
    const receivedBeforeMs = Date.now() - logRetentionHours * 3_600_000;
    this.#writer?.trim([...this.#consumer.storedOffsets], receivedBeforeMs);
  }

  #announce(): void {
    const urls: Partial<Record<Role, string>> = {};
    const { host } = this.#config;
    const shown = host.includes(":") ? `[${host}]` : host;
    for (const [role, server] of this.#servers) urls[role] = `http://${shown}:${server.port}`;
    const facts = {
      urls,
      dataFolder: this.#folder!.path,
      shards: this.#pool?.shards ?? 0,
      partitions: this.#partitions,
      startMs: performance.now(),
    };
    this.#logger.info(facts, "ready");
    if (this.#config.logLevel !== "silent") console.error(banner(facts));
  }

  /** Ends the process with this code once what can be drained is. */
  #fail(exitCode: number, reason: string): void {
    this.#logger.fatal({ exit_code: exitCode, reason }, "the process has to end");
    this.#failure ??= exitCode;
    this.#ending.resolve(exitCode);
  }
}

/** Reads `shard-throw@20000`, `shard-hang@20000` and `shard-die@20000`. */
function faultOf(text: string | null): ShardFault | null {
  const match = /^shard-(throw|hang|die)@(\d+)$/.exec(text ?? "");
  return match === null ? null : {
    kind: match[1] as ShardFault["kind"],
    afterEvents: Number(match[2]),
  };
}

/** Runs the platform until a signal or a failure that only a new process heals. */
async function serve(overrides: Record<string, string | undefined>): Promise<number> {
  let config: Config;
  try {
    config = readConfig(Deno.env.toObject(), overrides);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`rta: the settings can't be used\n${error.message}`);
    return EXIT_CONFIG;
  }
  const logger = createLogger(config.logLevel);
  for (const name of config.unknownVariables) logger.warn({ variable: name }, "unknown setting");
  const platform = new Platform(config, logger);
  const signalled = Promise.withResolvers<number>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => signalled.resolve(EXIT_OK));
  }
  let code: number;
  try {
    await platform.start();
    code = await Promise.race([signalled.promise, platform.ended]);
  } catch (error) {
    code = startFailure(error, logger);
  }
  const tooLong = setTimeout(() => process.exit(code || EXIT_FAILED), STOP_MS_MAX);
  try {
    await platform.stop();
  } finally {
    clearTimeout(tooLong);
  }
  code = platform.failure ?? code;
  logger.info({ exit_code: code }, "stopped");
  return code;
}

/** Says why the start failed, and whether trying again can help. */
function startFailure(error: unknown, logger: Logger): number {
  const known = error instanceof DataFolderError || error instanceof ListenError ||
    error instanceof LogError || error instanceof StoreError;
  if (!known) {
    logger.fatal({ err: error }, "the start failed");
    return EXIT_FAILED;
  }
  logger.fatal({ code: error.code, detail: error.message }, "the start failed");
  console.error(`rta: ${error.message}`);
  return NO_RESTART_HELPS.has(error.code) ? EXIT_CONFIG : EXIT_FAILED;
}

const NO_RESTART_HELPS = new Set([
  "RTA_DATA_IN_USE",
  "RTA_DATA_UNUSABLE",
  "RTA_PORT_UNAVAILABLE",
  "RTA_LOG_PARTITIONS_CHANGED",
  "RTA_LOG_CORRUPT",
]);

function commandLine(): Command {
  const rta = new Command("rta").description("Real-Time Analytics Platform");
  rta.command("serve")
    .description("run the platform in this process")
    .option("--roles <roles>", "ingestion, consumer, analytics, metrics, gateway or all")
    .option("--data <folder>", "data folder")
    .action(async (options) => {
      process.exitCode = await serve({ RTA_ROLES: options.roles, RTA_DATA: options.data });
    });
  rta.command("run")
    .description("run the platform and start it again when it fails")
    .option("--data <folder>", "data folder", Deno.env.get("RTA_DATA") ?? "data")
    .action(async (options) => {
      const dataFolder = options.data;
      process.exitCode = await superviseServe(["--data", dataFolder], { dataFolder });
    });
  addClientCommands(rta);
  return rta;
}

if (import.meta.main) {
  await commandLine().parseAsync(["deno", "rta", ...Deno.args]);
  process.exit(process.exitCode);
}
