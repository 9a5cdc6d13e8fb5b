/**
 * All metrics of the platform, declared in one place (prom-client, a registry of its own).
 *
 * Names and labels of the first part are used by dashboards that exist already and never change;
 * the second part is ours and named `rta_<noun>_<unit>[_total]`. Every label has bounded values:
 * roles, reason codes and error codes are closed lists, event types are bounded by EventTypeLabels.
 *
 * What is counted per event is counted in plain arrays (EventCounts, HttpMeter) and copied into
 * prom-client when the metrics are read.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Role } from "../config/variables.ts";
import { EventDurations } from "./event_durations.ts";
import { EventCounts } from "./event_counts.ts";
import { EventTypeLabels } from "./event_type_labels.ts";
import { GrpcMeter } from "./grpc_meter.ts";
import { HttpMeter } from "./http_meter.ts";

/** Buckets of times that end at the client, seconds. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
/** Buckets of work on disk, seconds. */
const COMMIT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Makes the metrics of one process.
 *
 * @param startedAtMs when the process started, ms since the epoch
 * @param now a clock, ms since the epoch
 */
export function createMetrics(startedAtMs: number, now: () => number = Date.now) {
  const registry = new Registry();
  const typeLabels = new EventTypeLabels();
  const eventCounts = new EventCounts(typeLabels);
  const eventDuration = new EventDurations(typeLabels, LATENCY_BUCKETS);
  eventDuration.registerIn(registry);
  const httpMeters = new Map<Role, HttpMeter>();
  const grpcMeter = new GrpcMeter(registry, LATENCY_BUCKETS);
  const measured = {
    registry,
    grpcMeter,
    typeLabels,
    /** Behind `events_processed_total` and `events_total`. */
    eventCounts,
    eventDuration,
    /** Counts requests of one role; the same object for the same role. */
    httpMeter(role: Role): HttpMeter {
      const known = httpMeters.get(role);
      if (known !== undefined) return known;
      const meter = new HttpMeter();
      httpMeters.set(role, meter);
      return meter;
    },
    ...declareContractMetrics(registry),
    ...declareOwnMetrics(registry),
    ...declareIntakeMetrics(registry),
    /** The metrics in Prometheus' text format. */
    text: (): Promise<string> => registry.metrics(),
    /** Content type of text(). */
    contentType: registry.contentType as string,
  };
  const uptimeSeconds = () => (now() - startedAtMs) / 1000;
  declareCollectedMetrics(registry, eventCounts);
  declareRoleMetrics(registry, httpMeters, grpcMeter, uptimeSeconds);
  return measured;
}

/** Metrics of the contract that are set where the thing happens. */
function declareContractMetrics(registry: Registry) {
  const registers = [registry];
  return {
    errors: new Counter({
      name: "errors_total",
      help: "Refused events and requests by reason code, and failures by error code",
      labelNames: ["service", "error_type"] as const,
      registers,
    }),
    logLag: new Gauge({
      name: "kafka_consumer_lag_total",
      help: "Offsets between the end of the event log and what is stored, on any kind of log",
      labelNames: ["topic", "partition", "consumer_group"] as const,
      registers,
    }),
    logConnectivity: new Gauge({
      name: "kafka_connectivity_status",
      help: "1 while the event log, of any kind, can be written and read, else 0",
      registers,
    }),
    backpressureActive: new Gauge({
      name: "backpressure_active_total",
      help: "1 while events are refused because they come faster than they can be stored, else 0",
      registers,
    }),
    manualCommits: new Counter({
      name: "manual_commits_total",
      help: "Commits of offsets: of a partition's rows, rollups and offset in one transaction",
      registers,
    }),
    processingRate: new Gauge({
      name: "processing_rate_current",
      help: "Events processed per second over the last 10 seconds",
      registers,
    }),
  };
}

/** Metrics of our own. */
function declareOwnMetrics(registry: Registry) {
  const registers = [registry];
  return {
    commitDuration: new Histogram({
      name: "rta_store_commit_duration_seconds",
      help: "Time of one commit of a partition",
      buckets: COMMIT_BUCKETS,
      registers,
    }),
    committedRows: new Counter({
      name: "rta_store_rows_total",
      help: "Rows committed to the store",
      registers,
    }),
    queryDuration: new Histogram({
      name: "rta_query_duration_seconds",
      help: "Time to answer a question",
      labelNames: ["question"] as const,
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    exportedEvents: new Counter({
      name: "rta_export_events_total",
      help: "Events read for exports",
      labelNames: ["format"] as const,
      registers,
    }),
    exportedBytes: new Counter({
      name: "rta_export_bytes_total",
      help: "Bytes that the shards handed over for exports",
      labelNames: ["format"] as const,
      registers,
    }),
    shardRestarts: new Counter({
      name: "rta_shard_restarts_total",
      help: "Shard workers that failed and were replaced",
      registers,
    }),
    ringBytes: new Gauge({
      name: "rta_ring_used_bytes",
      help: "Bytes that wait in a ring between two threads",
      labelNames: ["ring"] as const,
      registers,
    }),
    evicted: new Gauge({
      name: "rta_index_evicted_ids",
      help: "Event ids and users forgotten before their window was over, since the start",
      registers,
    }),
    completeUntil: new Gauge({
      name: "rta_complete_until_seconds",
      help: "Unix time up to which every accepted event is in the answers",
      registers,
    }),
  };
}

/** What happens between the log and the shards. */
function declareIntakeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    bufferedBytes: new Gauge({
      name: "rta_buffered_bytes",
      help: "Bytes fetched from Kafka and not processed yet",
      registers,
    }),
    pausedPartitions: new Gauge({
      name: "rta_paused_partitions",
      help: "Partitions that are not fetched from Kafka for now, because too much waits",
      registers,
    }),
    liveStreams: new Gauge({
      name: "rta_live_streams",
      help: "Live streams that are open, event tails included",
      registers,
    }),
    deadLetters: new Counter({
      name: "rta_dead_letters_total",
      help: "Lines of the log that were set aside as dead letters, by reason code",
      labelNames: ["reason"] as const,
      registers,
    }),
    deadLettersKept: new Gauge({
      name: "rta_dead_letters_kept",
      help: "Dead letters that wait to be replayed or dropped",
      registers,
    }),
    deadLettersForgotten: new Counter({
      name: "rta_dead_letters_forgotten_total",
      help: "Dead letters that waited and had to go for lack of room, since the start",
      registers,
    }),
  };
}

/** Metrics that are worked out when they are read. */
function declareCollectedMetrics(registry: Registry, eventCounts: EventCounts): void {
  const registers = [registry];
  new Counter({
    name: "events_processed_total",
    help: "Events by role, type and outcome: success, rejected or duplicate",
    labelNames: ["service", "event_type", "status"] as const,
    registers,
    collect() {
      this.reset();
      eventCounts.forEach((labels, count) => this.inc(labels, count));
    },
  });
  new Counter({
    name: "events_total",
    help: "Events accepted by ingestion",
    registers,
    collect() {
      this.reset();
      this.inc(eventCounts.total("ingestion", "success"));
    },
  });
  new Gauge({
    name: "rta_memory_resident_bytes",
    help: "Resident memory of the process",
    registers,
    collect() {
      this.set(Deno.memoryUsage().rss);
    },
  });
}

/** What every role that serves requests and calls has. */
function declareRoleMetrics(
  registry: Registry,
  httpMeters: ReadonlyMap<Role, HttpMeter>,
  grpcMeter: GrpcMeter,
  uptimeSeconds: () => number,
): void {
  const registers = [registry];
  new Gauge({
    name: "service_uptime_seconds",
    help: "Seconds since the role's process started",
    labelNames: ["service"] as const,
    registers,
    collect() {
      for (const service of httpMeters.keys()) this.set({ service }, uptimeSeconds());
    },
  });
  new Gauge({
    name: "active_connections_total",
    help: "Requests and calls that are being answered at this moment",
    labelNames: ["service", "connection_type"] as const,
    registers,
    collect() {
      for (const [service, meter] of httpMeters) {
        this.set({ service, connection_type: "http" }, meter.active);
      }
      for (const [service, active] of grpcMeter.active) {
        this.set({ service, connection_type: "grpc" }, active);
      }
    },
  });
  new Counter({
    name: "rta_http_requests_total",
    help: "Requests answered, by HTTP status",
    labelNames: ["service", "status"] as const,
    registers,
    collect() {
      this.reset();
      for (const [service, meter] of httpMeters) {
        meter.forEach((status, count) => this.inc({ service, status: String(status) }, count));
      }
    },
  });
}
