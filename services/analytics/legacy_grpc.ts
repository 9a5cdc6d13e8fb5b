/** AnalyticsService of the older generation on gRPC: times are unix seconds. */

import type { UnaryHandler } from "../../lib/grpc/call.ts";
import type { GrpcService } from "../../lib/grpc/grpc_server.ts";
import type { Granularity } from "../../lib/query/time_zone.ts";
import { parseFilterMap } from "../../lib/query/filter/parse_filter.ts";
import { type AnalyticsPorts, answerLegacySummary, answerSeries } from "./answer_query.ts";
import type { RequestedRange } from "./asked_range.ts";
import { unixSeconds } from "./proto_json.ts";
import { filterRead } from "./query_parameters.ts";
import { type Asker, patienceOfAsker } from "./question_body.ts";

export interface LegacyAnalyticsGrpcOptions {
  readonly ports: AnalyticsPorts;
  /** Answers GetAnalyticsHealth. */
  readonly health: UnaryHandler<unknown, unknown>;
}

/** int64 comes as text. */
interface RangeMessage {
  readonly from: string;
  readonly to: string;
}

interface MetricsMessage extends RangeMessage {
  readonly metric_name: string;
  readonly filters: Readonly<Record<string, string>>;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Widest range that is answered by the minute, and by the hour, ms. */
const BY_MINUTE_MS_MAX = 6 * HOUR_MS;
const BY_HOUR_MS_MAX = 14 * DAY_MS;

/** The service, to be added to a server. */
export function legacyAnalyticsGrpcService(options: LegacyAnalyticsGrpcOptions): GrpcService {
  const { ports, health } = options;
  return {
    name: "analytics.AnalyticsService",
    role: "analytics",
    methods: {
      GetAnalyticsSummary: {
        unary: async (request: RangeMessage, { project, signal }) => {
          const asker = { project, gone: signal };
          const answer = await answerLegacySummary({
            project,
            range: rangeOf(request),
            filter: null,
            patience: patienceOfAsker(asker, null),
          }, ports);
          return answer;
        },
      },
      GetMetrics: {
        unary: (request: MetricsMessage, { project, signal }) =>
          metricsOf(request, { project, gone: signal }, ports),
      },
      GetAnalyticsHealth: { unary: health },
    },
  };
}

/** One metric of a time series, point by point: by minute, hour or day, as the range is long. */
async function metricsOf(request: MetricsMessage, asker: Asker, ports: AnalyticsPorts) {
  const range = lastHourIfMissing(rangeOf(request), ports.now());
  const { series, metadata } = await answerSeries({
    project: asker.project,
    range,
    filter: filterRead(parseFilterMap(request.filters, "filters")),
    patience: patienceOfAsker(asker, null),
    metric: request.metric_name,
    granularity: granularityOf(range.endMs! - range.startMs!),
    timeZone: null,
    by: [],
  }, ports);
  return {
    success: true,
    message: `${series.length} points`,
    metrics: series.map(({ timestamp, value, labels }) => ({
      name: metadata.metric,
      value,
      labels,
      timestamp: unixSeconds(Date.parse(timestamp)),
    })),
  };
}

function granularityOf(rangeMs: number): Granularity {
  if (rangeMs <= BY_MINUTE_MS_MAX) return "minute";
  return rangeMs <= BY_HOUR_MS_MAX ? "hour" : "day";
}

/** 0 is "not given", as everywhere in proto. */
function rangeOf({ from, to }: RangeMessage): RequestedRange {
  const ms = (seconds: string) => seconds === "0" ? null : SECOND_MS * Number(seconds);
  return { startMs: ms(from), endMs: ms(to) };
}

function lastHourIfMissing({ startMs, endMs }: RequestedRange, nowMs: number): RequestedRange {
  const end = endMs ?? Math.ceil(nowMs / 60_000) * 60_000;
  return { startMs: startMs ?? Math.max(0, end - HOUR_MS), endMs: end };
}
