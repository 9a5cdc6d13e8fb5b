/**
 * What each address needs: one table for both transports, so that the same thing is never open on one
 * and closed on the other.
 *
 * What is not listed needs `admin`: a route that somebody forgets here is closed, not open.
 */
import type { Scope } from "./principal.ts";

/** What an address needs. */
export interface RouteRule {
  readonly scope: Scope;
  /** What it counts as, for limits. */
  readonly kind: "events" | "query" | "stream" | "none";
}

const INGEST: RouteRule = { scope: "ingest", kind: "events" };
const QUERY: RouteRule = { scope: "query", kind: "query" };
const STREAM: RouteRule = { scope: "query", kind: "stream" };
const ADMIN_QUERY: RouteRule = { scope: "admin", kind: "query" };
const ADMIN: RouteRule = { scope: "admin", kind: "none" };

/** Asked by probes and scrapers, and pages without anybody's data. */
const OPEN = new Set([
  ...["/health", "/ready", "/metrics", "/stats", "/lag"],
  ...["/v1/events/health", "/v1/analytics/health", "/v1/metrics/health"],
  ...["/", "/favicon.ico", "/openapi.json", "/docs", "/dashboard"],
]);
const OPEN_BELOW = ["/docs/", "/dashboard/", "/assets/"];

const BY_PATH: ReadonlyMap<string, RouteRule> = new Map([
  ["/events", INGEST],
  ["/events/async", INGEST],
  ["/events/batch", INGEST],
  ["/v1/events", INGEST],
  ["/v1/events/batch", INGEST],
  ["/v1/live", STREAM],
  ["/v1/live/events", STREAM],
  ["/v1/export", STREAM],
  ["/v1/metrics", QUERY],
  ["/v1/metrics/export", QUERY],
  ["/v1/sql", ADMIN_QUERY],
]);

/**
 * The rule of an HTTP request; null = open to everybody. `path`: as it stands in the URL; the router
 * decodes it, so it is the decoded one that counts.
 */
export function httpRule(method: string, path: string): RouteRule | null {
  // What a browser asks before it sends credentials (CORS).
  if (method === "OPTIONS") return null;
  if (!path.includes("%")) return plainRule(method, path);
  try {
    return plainRule(method, decodeURI(path));
  } catch {
    return ADMIN;
  }
}

function plainRule(method: string, path: string): RouteRule | null {
  const listed = BY_PATH.get(path);
  if (listed !== undefined) return listed;
  const isRead = method === "GET" || method === "HEAD";
  if (isRead && (OPEN.has(path) || OPEN_BELOW.some((start) => path.startsWith(start)))) return null;
  if (path.startsWith("/analytics/") || path.startsWith("/v1/analytics/")) return QUERY;
  if (isRead && (path === "/v1/dead-letters" || path.startsWith("/v1/dead-letters/"))) return QUERY;
  return ADMIN;
}

const OPEN_SERVICES = ["/grpc.health.", "/grpc.reflection."];
const INGEST_SERVICES = new Set(["EventIngestionService", "ProducerService"]);
const QUERY_SERVICES = new Set(["AnalyticsService", "ConsumerService", "MetricsService"]);
const STREAM_METHODS = new Set(["GetRealTimeAnalytics", "StreamMetrics"]);
/** `GetProducerHealth` in the older generation. */
const HEALTH_METHOD = /^(?:Get[A-Z][a-z]+)?Health$/;

/** The rule of a gRPC method, `/package.Service/Method`; null = open to everybody. */
export function grpcRule(path: string): RouteRule | null {
  if (OPEN_SERVICES.some((start) => path.startsWith(start))) return null;
  const [, service, method] = /^\/(?:[a-z0-9_]+\.)*(\w+)\/(\w+)$/.exec(path) ?? [];
  const isHealth = HEALTH_METHOD.test(method);
  if (INGEST_SERVICES.has(service)) return isHealth ? null : INGEST;
  if (!QUERY_SERVICES.has(service)) return ADMIN;
  if (isHealth) return null;
  return STREAM_METHODS.has(method) ? STREAM : QUERY;
}
