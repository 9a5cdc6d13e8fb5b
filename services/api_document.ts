/** All routes of the REST API, whatever role has them, and their OpenAPI document. */
import { OPERATIONAL_ROUTES } from "../lib/http/operational_routes.ts";
import { V1_HEALTH_ROUTES } from "../lib/http/v1_health.ts";
import type { ApiRoute } from "../lib/http/api_route.ts";
import {
  type ApiAddresses,
  type OpenApiDocument,
  openApiDocument,
} from "../lib/openapi/openapi_document.ts";
import { KEY_ROUTES } from "./access/keys_http.ts";
import { BREAKDOWN_ROUTES } from "./analytics/breakdown_http.ts";
import { EXPORT_ROUTES } from "./analytics/export_http.ts";
import { FUNNEL_ROUTES } from "./analytics/funnel_http.ts";
import { ANALYTICS_ROUTES } from "./analytics/http.ts";
import { LIVE_ROUTES } from "./analytics/live_http.ts";
import { LIVE_STREAM_ROUTES } from "./analytics/live_stream_http.ts";
import { PATHS_ROUTES } from "./analytics/paths_http.ts";
import { RETENTION_ROUTES } from "./analytics/retention_http.ts";
import { SQL_ROUTES } from "./analytics/sql_http.ts";
import { DEAD_LETTER_ROUTES } from "./dead_letters/http.ts";
import { REFERENCE_ROUTES } from "./gateway/reference_http.ts";
import { INGESTION_ROUTES } from "./ingestion/http.ts";
import { V1_INGEST_ROUTES } from "./ingestion/v1_http.ts";
import { METRICS_ROUTES } from "./metrics/http.ts";

/** In the order of the reference, within a tag. */
export const API_ROUTES: readonly ApiRoute[] = [
  ...INGESTION_ROUTES,
  ...V1_INGEST_ROUTES,
  ...ANALYTICS_ROUTES,
  ...BREAKDOWN_ROUTES,
  ...FUNNEL_ROUTES,
  ...RETENTION_ROUTES,
  ...PATHS_ROUTES,
  ...LIVE_ROUTES,
  ...LIVE_STREAM_ROUTES,
  ...EXPORT_ROUTES,
  ...SQL_ROUTES,
  ...DEAD_LETTER_ROUTES,
  ...KEY_ROUTES,
  ...METRICS_ROUTES,
  ...OPERATIONAL_ROUTES,
  ...Object.values(V1_HEALTH_ROUTES),
  ...REFERENCE_ROUTES,
];

/** The document of the whole API. */
export function apiDocument(addresses: ApiAddresses): OpenApiDocument {
  return openApiDocument(API_ROUTES, addresses);
}
