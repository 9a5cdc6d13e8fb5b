/**
 * One process of the platform with the roles it was given: the wiring of `rta serve`, in the order in
 * which things start. `stop` undoes it in the order in which nothing is lost: no new requests,
 * requests answered, log written, shards committed.
 */
import { type Config, type Role, ROLES } from "../lib/config/config.ts";
import { EXIT_FAILED } from "../lib/config/exit_codes.ts";
import { DRAIN_MS_MAX, GAUGE_REFRESH_MS, TRIM_INTERVAL_MS } from "../lib/config/limits.ts";
import { METRIC_SAMPLE_MS } from "../lib/config/grpc_limits.ts";
import {
  type DataFolder,
  lockDataFolder,
  shareDataFolder,
} from "../lib/data_folder/data_folder.ts";
import { DrainGate } from "../lib/http/drain_gate.ts";
import type { HttpServer } from "../lib/http/listen.ts";
import { openHttp } from "../lib/http/listen_mutual.ts";
import { readServerTls, type ServerTls } from "../lib/http/server_tls.ts";
import type { HealthReport, OperationalOptions } from "../lib/http/operational_routes.ts";
import { BodyReader } from "../lib/http/read_body.ts";
import { decodeLivePartial } from "../lib/live/live_partial.ts";
import { LiveWindow } from "../lib/live/live_window.ts";
import type { ApiAddresses } from "../lib/openapi/openapi_document.ts";
import { partitionOf } from "../lib/log/murmur2.ts";
import type { Logger } from "../lib/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../lib/telemetry/metrics.ts";
import { apiDocument } from "./api_document.ts";
import { AccessDesk } from "./access/access_desk.ts";
import { DEFAULT_PROJECT } from "../lib/auth/principal.ts";
import { ExportDesk } from "./analytics/export_desk.ts";
import { LiveStreams } from "./analytics/live_streams.ts";
import { roleHandler, type RoleParts } from "./role_handlers.ts";
import { roleHealth } from "./role_health.ts";
import { shardPorts } from "./analytics/shard_ports.ts";
import { banner } from "./commands/banner.ts";
import { ConsumerState } from "./consumer/consumer_state.ts";
import { ShardPool } from "./consumer/shard_pool.ts";
import { DeadLetters } from "./dead_letters/dead_letters.ts";
import { EventAcceptor } from "./ingestion/accept_events.ts";
import { type GrpcPorts, openGrpcPorts } from "./grpc_ports.ts";
import { grpcServices } from "./grpc_services.ts";
import { WriterHost } from "./ingestion/writer_host.ts";
import { LetterDesk } from "./letter_desk.ts";
import { LiveDesk } from "./live_desk.ts";
import { type LogBackend, openLogBackend } from "./log_backend.ts";
import { MetricHistory } from "./metrics/metric_history.ts";
import { metricValues } from "./metrics/metric_values.ts";
import { processorOptions } from "./processor_options.ts";
import { type Served } from "./serve.ts";
import { faultOf } from "./shard_fault.ts";

/** One process of the platform, all its roles. */
export class Platform implements Served {
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
  #backend!: LogBackend;
  #writer: WriterHost | null = null;
  #pool: ShardPool | null = null;
  #acceptor: EventAcceptor | null = null;
  #consumer: ConsumerState | null = null;
  #desk: LetterDesk | null = null;
  #letters: DeadLetters | null = null;
  #live!: LiveWindow;
  #streams!: LiveStreams;
  /** Aborted when the process stops: streams without an end have to end. */
  readonly #streamsEnd = new AbortController();
  #liveDesk: LiveDesk | null = null;
  #exports: ExportDesk | null = null;
  #grpc: GrpcPorts | null = null;
  #access: AccessDesk | null = null;
  readonly #history = new MetricHistory();
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

  async start(signal: AbortSignal): Promise<void> {
    const { roles, host, ports, tls: files } = this.#config;
    const tls = files === null ? null : readServerTls(files);
    this.#folder = this.#takeFolder();
    this.#access = new AccessDesk(this.#config.access, this.#logger);
    const logger = this.#logger.child({ stage: "log" });
    const dataFolder = this.#folder?.path ?? "";
    this.#backend = await openLogBackend(this.#config, dataFolder, logger, signal);
    this.#metrics.logConnectivity.set(1);
    this.#live = new LiveWindow(this.#backend.partitions);
    this.#streams = this.#openStreams(this.#backend);
    if (this.#writes) await this.#startWriting();
    if (roles.has("consumer")) await this.#startShards(this.#backend);
    const bodies = new BodyReader();
    if (roles.has("analytics")) this.#exports = this.#makeExportDesk(bodies);
    const parts = this.#roleParts(bodies);
    for (const role of ROLES) {
      if (!roles.has(role)) continue;
      const handler = this.#gate.guard(roleHandler(role, parts));
      this.#servers.set(role, await openHttp({ host, port: ports[role], handler, tls }));
    }
    this.#grpc = await this.#openGrpc(tls);
    this.#timers.push(setInterval(() => this.#refreshGauges(), GAUGE_REFRESH_MS));
    this.#timers.push(setInterval(() => this.#trim(), TRIM_INTERVAL_MS));
    this.#timers.push(setInterval(() => void this.#sampleMetrics(), METRIC_SAMPLE_MS));
    this.#announce();
  }

  /** Drains and closes all that runs. Safe at any point of the start. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#streamsEnd.abort();
    this.#streams?.end("the server is shutting down; come back");
    const halfMs = DRAIN_MS_MAX / 2;
    if (this.#servers.size > 0) await this.#gate.hold(halfMs);
    const closing = [...this.#servers.values()].map((server) => server.stop(halfMs));
    // The listeners are gone after this turn: who reads an answer and comes again is refused then.
    setTimeout(() => this.#gate.release());
    closing.push(this.#grpc?.server.stop(halfMs) ?? Promise.resolve());
    await Promise.all(closing);
    this.#acceptor?.startDraining();
    await this.#writer?.producer.drain();
    await this.#exports?.close();
    await this.#pool?.stop();
    await this.#writer?.stop();
    await this.#liveDesk?.close();
    await this.#desk?.close();
    await this.#access?.close();
    this.#folder?.release();
  }

  #openStreams({ kind, partitions }: LogBackend): LiveStreams {
    const owned = () => this.#pool?.owned ?? [];
    return new LiveStreams({
      published: this.#live,
      shards: () => this.#pool?.shards ?? 0,
      partitions: () => Math.max(partitions, ...owned().map((each) => each + 1)),
      hasAll: () => kind === "sqlite" || owned().length >= partitions,
      tellShards: () => this.#pool?.watchLive(),
      now: Date.now,
    });
  }

  /** Whether this process puts events into the log; the role analytics replays dead letters. */
  get #writes(): boolean {
    const { roles } = this.#config;
    return roles.has("ingestion") || roles.has("gateway") || roles.has("analytics");
  }

  /**
   * The data folder. With the embedded log it is this process's alone; with Kafka each partition in
   * it has a lock of its own, and several processes may share it.
   */
  #takeFolder(): DataFolder | null {
    const { log, roles, dataFolder } = this.#config;
    if (log === "sqlite") return lockDataFolder(dataFolder);
    return roles.has("consumer") ? shareDataFolder(dataFolder) : null;
  }

  async #startWriting(): Promise<void> {
    const logger = this.#logger.child({ stage: "log" });
    const { partitions, writerLog } = this.#backend;
    this.#writer = new WriterHost({
      log: writerLog,
      logLevel: this.#config.logLevel,
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
    await this.#writer.start();
    const { producer } = this.#writer;
    this.#acceptor = new EventAcceptor({ producer, partitions, metrics: this.#metrics });
  }

  async #startShards(backend: LogBackend): Promise<void> {
    const config = this.#config;
    const { partitions, topic, group, storeFolder, kind } = backend;
    const shards = kind === "sqlite" ? Math.min(config.shards, partitions) : config.shards;
    const logger = this.#logger.child({ stage: "process" });
    await this.#startDesks(backend, logger);
    const consumer = this.#consumer = new ConsumerState({
      topic,
      group,
      metrics: this.#metrics,
      highWater: backend.highWater,
      now: Date.now,
    });
    const pool = this.#pool = new ShardPool({
      shards,
      partitions,
      logOf: (index) => backend.logOf(index, shards),
      topic,
      project: DEFAULT_PROJECT,
      storeFolder,
      storeMemoryMb: Math.floor(config.storeMemoryMb / partitions),
      keepsRows: config.keepsRows,
      commitIntervalMs: config.commitIntervalMs,
      logLevel: config.logLevel,
      fault: faultOf(config.fault),
      processor: processorOptions(config, backend),
      onProgress: (progress) => consumer.update(progress),
      onLive: (frame) => this.#live.add(decodeLivePartial(frame), Date.now()),
      onPulse: (shard, kind, frame) => this.#streams.take(shard, kind, frame),
      liveOrders: () => this.#streams.orders(),
      // A partition's first frame may be here before the word that it runs, which it then is not told
      // again: it is expected from the moment in which it is assigned. Of the embedded log all are.
      onOwned: () => {
        if (kind === "kafka") consumer.keep([...pool.owned, ...pool.awaited]);
      },
      onReplaced: (shard, code, message) => {
        this.#metrics.shardRestarts.inc();
        logger.error({ shard, code, detail: message }, "a shard failed and is replaced");
      },
      onFatal: (exitCode, reason) => this.#fail(exitCode, reason),
    });
    await pool.start();
  }

  /** Dead letters, and with Kafka what the shards of other processes publish. */
  async #startDesks({ storeFolder, kafka }: LogBackend, logger: Logger): Promise<void> {
    const onFailure = (what: string) => (error: Error) =>
      this.#fail(EXIT_FAILED, `${what}: ${error.stack}`);
    const metrics = this.#metrics;
    this.#desk = await LetterDesk.open({
      storeFolder,
      topic: kafka && { settings: kafka.settings, name: kafka.topics.dlqTopic },
      logger,
      onFailure: onFailure("dead letters can't be kept"),
    });
    this.#letters = new DeadLetters({
      file: this.#desk.file,
      metrics,
      acceptLine: (project, line) =>
        this.#acceptor!.acceptOne(line, { form: "plain", mode: "durable", project }),
    });
    if (kafka === null) return;
    this.#liveDesk = new LiveDesk({
      settings: kafka.settings,
      topic: kafka.topics.metricsTopic,
      live: this.#live,
      logger,
      onFailure: onFailure("live partials can't be read"),
    });
  }

  /** What the handlers of ports are made of. */
  #roleParts(bodies: BodyReader): RoleParts {
    return {
      config: this.#config,
      logger: this.#logger,
      access: this.#access!,
      bodies,
      metrics: this.#metrics,
      history: this.#history,
      acceptor: this.#acceptor,
      consumer: this.#consumer,
      letters: this.#letters,
      exports: this.#exports,
      live: this.#live,
      streams: this.#streams,
      stopping: this.#streamsEnd.signal,
      health: (role) => this.#health(role),
      operational: (role) => this.#operationalOf(role),
      analyticsPorts: () => this.#analyticsPorts(),
      apiDocument: () => apiDocument(this.#addresses()),
    };
  }

  /** Where the ports are: of other processes, where this one would have them. */
  #addresses(): ApiAddresses {
    const { ports, tls } = this.#config;
    const open = [...this.#servers].map(([role, { port }]) => [role, port]);
    return {
      scheme: tls === null ? "http" : "https",
      ports: { ...ports, ...Object.fromEntries(open) },
    };
  }

  #openGrpc(tls: ServerTls | null): Promise<GrpcPorts> {
    const { roles } = this.#config;
    const streams = this.#streams;
    return openGrpcPorts({
      config: this.#config,
      logger: this.#logger,
      metrics: this.#metrics,
      tls,
      services: grpcServices({
        roles,
        acceptor: this.#acceptor,
        consumer: this.#consumer,
        questions: roles.has("analytics") ? { ports: this.#analyticsPorts(), streams } : null,
        metrics: this.#metrics,
        history: this.#history,
        health: (role) => this.#health(role),
      }),
      admit: this.#access!.admitCall,
    });
  }

  #makeExportDesk(bodies: BodyReader): ExportDesk {
    const { exportedEvents, exportedBytes } = this.#metrics;
    return new ExportDesk({
      dataFolder: this.#folder!.path,
      ports: {
        ...this.#analyticsPorts(),
        onBlock: (format, rows, bytes) => {
          exportedEvents.inc({ format }, rows);
          exportedBytes.inc({ format }, bytes);
        },
      },
      sqlOff: this.#config.sqlOff,
      bodies,
      projectOf: this.#access!.door.projectOf,
      onCut: (failure) => this.#logger.warn({ err: failure }, "an export was cut off"),
    });
  }

  #operationalOf(service: Role): OperationalOptions {
    const hasShards = this.#config.roles.has("consumer");
    const asksShards = hasShards && service !== "ingestion" && service !== "metrics";
    return {
      service,
      metrics: this.#metrics,
      startedAtMs: this.#startedAtMs,
      health: () => this.#health(service),
      ready: () => {
        if (this.#stopping) return { ready: false, reason: "shutting down" };
        if (asksShards && !this.#pool?.ready) {
          return { ready: false, reason: "a shard is starting" };
        }
        return { ready: true };
      },
      stats: service === "ingestion"
        ? () => ({ ...this.#acceptor!.stats.snapshot(Date.now()) })
        : undefined,
    };
  }

  #health(service: Role): HealthReport {
    return roleHealth(service, {
      pool: this.#pool,
      consumer: this.#consumer,
      acceptor: this.#acceptor,
      logKind: this.#backend.kind,
      logFailure: this.#logFailure,
      keyFailure: this.#access?.failure ?? null,
    });
  }

  #analyticsPorts() {
    const { kind, partitions } = this.#backend;
    const encoder = new TextEncoder();
    return shardPorts({
      shards: this.#pool!,
      partitionOf: (userId) => {
        const bytes = encoder.encode(userId);
        // On Kafka other producers may place by other keys, and partitions may be added.
        return kind === "sqlite" ? partitionOf(bytes, 0, bytes.length, partitions) : null;
      },
      startTimer: (question) => this.#metrics.queryDuration.startTimer({ question }),
    });
  }

  #refreshGauges(): void {
    this.#consumer?.refreshGauges();
    this.#acceptor?.refreshGauges();
    const inFlightBytes = this.#writer?.producer.inFlightBytes ?? 0;
    this.#metrics.ringBytes.set({ ring: "writer" }, inFlightBytes);
    const { bufferedBytes, paused } = this.#pool?.intake ?? { bufferedBytes: 0, paused: [] };
    this.#metrics.bufferedBytes.set(bufferedBytes);
    this.#metrics.pausedPartitions.set(paused.length);
    this.#metrics.liveStreams.set(this.#streams.open);
    this.#letters?.refresh().catch((error) => {
      this.#logger.warn({ err: error }, "the dead letters can't be counted");
    });
  }

  async #sampleMetrics(): Promise<void> {
    const nowMs = Date.now();
    this.#history.add(await metricValues(this.#metrics, [], nowMs), nowMs);
  }

  #trim(): void {
    const { kind, partitions } = this.#backend;
    // Kafka's own retention does it there.
    if (kind === "kafka" || this.#consumer === null) return;
    const receivedBeforeMs = Date.now() - this.#config.logRetentionHours * 3_600_000;
    this.#writer?.trim(this.#consumer.storedOffsets(partitions), receivedBeforeMs);
  }

  #announce(): void {
    const urls: Partial<Record<Role, string>> = {};
    const { host, tls } = this.#config;
    const scheme = tls === null ? "http" : "https";
    const shown = host.includes(":") ? `[${host}]` : host;
    for (const [role, server] of this.#servers) {
      urls[role] = `${scheme}://${shown}:${server.port}`;
    }
    const facts = {
      urls,
      grpcPorts: Object.fromEntries(this.#grpc?.ports ?? []),
      dataFolder: this.#folder?.path ?? null,
      shards: this.#pool?.shards ?? 0,
      log: this.#backend.describe,
      partitions: this.#backend.partitions,
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
