/** MetricsService of `analytics.v1` on gRPC, over the process's own metrics. */
import { METRIC_STREAM_MS } from "../../lib/config/grpc_limits.ts";
import type { CallContext, UnaryHandler } from "../../lib/grpc/call.ts";
import type { GrpcService } from "../../lib/grpc/grpc_server.ts";
import { messageOfJson } from "../../lib/grpc/proto_json_form.ts";
import { msOf, type SecondsAndNanos } from "../../lib/grpc/well_known.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import { waitUnlessAborted } from "../../lib/wait/abortable_wait.ts";
import { aggregationNamed, answerMetrics, type MetricsRequest } from "./answer_metrics.ts";
import { exportMetrics, isExportFormat } from "./export_metrics.ts";
import type { MetricHistory } from "./metric_history.ts";

export interface MetricsGrpcOptions {
  readonly metrics: Metrics;
  readonly history: MetricHistory;
  /** Answers the method Health. */
  readonly health: UnaryHandler<unknown, unknown>;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

interface RangeMessage {
  readonly start: SecondsAndNanos | null;
  readonly end: SecondsAndNanos | null;
}

interface GetMetricsMessage {
  readonly metric_names: readonly string[];
  readonly time_range: RangeMessage | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly aggregation: string;
}

interface ExportMetricsMessage {
  readonly format: string;
  readonly metric_names: readonly string[];
}

/** The service, to be added to a server. */
export function metricsGrpcService(options: MetricsGrpcOptions): GrpcService {
  const { metrics, history, health, now = Date.now } = options;
  const answer = (request: GetMetricsMessage) => {
    return answerMetrics(requestOf(request), metrics, history, now());
  };
  return {
    name: "analytics.v1.MetricsService",
    role: "metrics",
    methods: {
      GetMetrics: {
        unary: async (request: GetMetricsMessage) => {
          return messageOfJson("analytics.v1.GetMetricsResponse", { ...await answer(request) });
        },
      },
      StreamMetrics: {
        stream: (request: GetMetricsMessage, write, context) => {
          return streamMetrics(() => answer(request), write, context);
        },
      },
      ExportMetrics: {
        unary: ({ format, metric_names: names }: ExportMetricsMessage) => {
          const wanted = format || "prometheus";
          if (isExportFormat(wanted)) return exportMetrics(metrics, wanted, names, now());
          const detail = "format must be prometheus, json or csv";
          throw new ProblemError("invalid_parameter", detail, { field: "format" });
        },
      },
      Health: { unary: health },
    },
  };
}

/** All values at once, and again each METRIC_STREAM_MS, until the caller goes. */
async function streamMetrics(
  answer: () => ReturnType<typeof answerMetrics>,
  write: (response: object) => Promise<void>,
  { signal }: CallContext,
): Promise<void> {
  while (true) {
    for (const value of (await answer()).metrics) {
      await write(messageOfJson("analytics.v1.Metric", { ...value }));
    }
    await waitUnlessAborted(METRIC_STREAM_MS, signal);
  }
}

function requestOf(request: GetMetricsMessage): MetricsRequest {
  const { metric_names: names, time_range: range, labels, aggregation } = request;
  return {
    names,
    startMs: range?.start ? msOf(range.start) : null,
    endMs: range?.end ? msOf(range.end) : null,
    labels,
    aggregation: aggregationNamed(aggregation),
  };
}
