/**
 * The ingestion port and the gateway port on a producer in memory, without a socket.
 */
import type { Handler } from "../../lib/http/app.ts";
import type { OperationalOptions } from "../../lib/http/operational_routes.ts";
import { BodyReader } from "../../lib/http/read_body.ts";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../lib/telemetry/metrics.ts";
import { createGatewayHandler } from "../../services/gateway/http.ts";
import { EventAcceptor } from "../../services/ingestion/accept_events.ts";
import { createIngestionHandler } from "../../services/ingestion/http.ts";
import { v1IngestRoutes } from "../../services/ingestion/v1_http.ts";
import { MemoryProducer } from "./memory_producer.ts";

/** What time it is in these tests, ms since the epoch. */
export const NOW_MS = Date.parse("2026-01-31T12:00:00.000Z");

export const PARTITIONS = 4;

export interface IngestHandlers {
  readonly producer: MemoryProducer;
  readonly acceptor: EventAcceptor;
  readonly bodies: BodyReader;
  readonly metrics: Metrics;
  /** Port 8081. */
  readonly ingestion: Handler;
  /** Port 8080, with the ingest routes alone. */
  readonly gateway: Handler;
}

/** Handlers that share one acceptor. */
export function openIngestHandlers(): IngestHandlers {
  const now = () => NOW_MS;
  const producer = new MemoryProducer();
  const metrics = createMetrics(NOW_MS, now);
  const acceptor = new EventAcceptor({ producer, partitions: PARTITIONS, metrics, now });
  const bodies = new BodyReader();
  const ingest = { acceptor, bodies, projectOf: () => "shop" };
  const logger = createLogger("silent");
  const health = () => ({ status: "healthy", logStatus: "healthy" }) as const;
  const operationalOf = (service: "ingestion" | "gateway"): OperationalOptions => ({
    service,
    metrics,
    startedAtMs: NOW_MS,
    health,
    ready: () => ({ ready: true }),
    stats: () => ({ ...acceptor.stats.snapshot(NOW_MS) }),
    now,
  });
  return {
    producer,
    acceptor,
    bodies,
    metrics,
    ingestion: createIngestionHandler({
      ...ingest,
      operational: operationalOf("ingestion"),
      logger,
    }),
    gateway: createGatewayHandler({
      operational: operationalOf("gateway"),
      logger,
      serviceHealth: { events: health, analytics: health, metrics: health },
      routes: [v1IngestRoutes({ ...ingest, node: "node-1", now })],
    }),
  };
}

/** What a body may be given as. */
export type BodyText = string | Uint8Array<ArrayBuffer>;

/** A POST of a body, announced as JSON unless `headers` say otherwise. */
export function post(
  handler: Handler,
  path: string,
  body: BodyText,
  headers: Record<string, string> = {},
): Promise<Response> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const announced = { "content-type": "application/json", "content-length": String(bytes.length) };
  const init = { method: "POST", headers: { ...announced, ...headers }, body: bytes };
  return handler(new Request(`http://localhost${path}`, init));
}
