/**
 * AnalyticsService of `analytics.v1` on gRPC. A request is turned into its proto JSON and read as the
 * one of REST is, by the same functions; an answer is made as on REST and turned into a message.
 */

import type { CallContext, UnaryHandler } from "../../lib/grpc/call.ts";
import type { GrpcService } from "../../lib/grpc/grpc_server.ts";
import { jsonOfMessage, messageOfJson } from "../../lib/grpc/proto_json_form.ts";
import { checkedBy } from "../../lib/http/json_body.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { answerFunnel } from "./answer_funnel.ts";
import { type AnalyticsPorts, answerSeries, answerSummary } from "./answer_query.ts";
import { answerUser } from "./answer_user.ts";
import { FunnelBody, funnelRequest } from "./funnel_http.ts";
import { seriesRequest, seriesRoute, summaryRequest, summaryRoute } from "./http.ts";
import { windowRoute, windowsRequest } from "./live_stream_http.ts";
import type { LiveStreams } from "./live_streams.ts";
import { QueryParameters } from "./query_parameters.ts";
import type { Asker } from "./question_body.ts";
import { userRequest, userRoute } from "./user_http.ts";

export interface AnalyticsGrpcOptions {
  readonly ports: AnalyticsPorts;
  readonly streams: LiveStreams;
  /** Answers the method Health. */
  readonly health: UnaryHandler<unknown, unknown>;
}

type Message = Readonly<Record<string, unknown>>;

const PACKAGE = "analytics.v1";

/** The service, to be added to a server. */
export function analyticsGrpcService(options: AnalyticsGrpcOptions): GrpcService {
  const { ports, streams, health } = options;
  return {
    name: `${PACKAGE}.AnalyticsService`,
    role: "analytics",
    methods: {
      GetAnalyticsSummary: question("GetAnalyticsSummary", "AnalyticsSummary", (json, asker) => {
        return answerSummary(summaryRequest(parametersOf(json, summaryRoute.names), asker), ports);
      }),
      GetTimeSeries: question("GetTimeSeries", "GetTimeSeriesResponse", (json, asker) => {
        return answerSeries(seriesRequest(parametersOf(json, seriesRoute.names), asker), ports);
      }),
      GetUserAnalytics: question("GetUserAnalytics", "GetUserAnalyticsResponse", (json, asker) => {
        const { user_id: userId, ...rest } = json;
        if (typeof userId !== "string") {
          const detail = "user_id is missing; send a text of at least 1 character";
          throw new ProblemError("invalid_parameter", detail, { field: "user_id" });
        }
        const query = parametersOf(rest, userRoute.names);
        return answerUser(userRequest(userId, query, asker), ports);
      }),
      GetFunnelAnalysis: question(
        "GetFunnelAnalysis",
        "GetFunnelAnalysisResponse",
        (json, asker) => {
          const body = checkedBy(FunnelBody, { steps: [], ...json });
          return answerFunnel(funnelRequest(body, asker), ports);
        },
      ),
      GetRealTimeAnalytics: {
        stream: (request: Message, write, context) =>
          streamWindows(request, write, context, streams),
      },
      Health: { unary: health },
    },
  };
}

/** A method that reads proto JSON and answers with it. */
function question(
  method: string,
  response: string,
  answer: (json: Message, asker: Asker) => Promise<object>,
): { unary: UnaryHandler<Message, object> } {
  return {
    unary: async (request, { project, signal }) => {
      const json = jsonOfMessage(`${PACKAGE}.${method}Request`, request);
      const answered = await answer(json, { project, gone: signal });
      return messageOfJson(`${PACKAGE}.${response}`, answered as Message);
    },
  };
}

/** A message for each window, until the caller goes; what it was too slow for is passed over. */
async function streamWindows(
  request: Message,
  write: (response: object) => Promise<void>,
  { project, signal }: CallContext,
  streams: LiveStreams,
): Promise<void> {
  const json = jsonOfMessage(`${PACKAGE}.GetRealTimeAnalyticsRequest`, request);
  const query = parametersOf(json, windowRoute.names);
  const reader = streams.openWindows(windowsRequest(query, project, query.text("window_id")));
  const leave = () => reader.close();
  signal.addEventListener("abort", leave);
  const notes: string[] = [];
  try {
    for (let update = await reader.next(); update !== null; update = await reader.next()) {
      if (update.kind === "missed") {
        notes.push(`${update.missed ?? "some"} windows before this one were passed over`);
      } else if (update.kind === "end") {
        throw new ProblemError(update.code, update.message);
      } else if (update.kind === "window") {
        const answer = { ...update.answer, notes: notes.splice(0) };
        await write(messageOfJson(`${PACKAGE}.RealTimeAnalyticsResponse`, answer));
      }
    }
  } finally {
    signal.removeEventListener("abort", leave);
    reader.close();
  }
}

/** Members as the query string of the same question on REST has them. */
function parametersOf(json: Message, names: readonly string[]): QueryParameters {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(json)) {
    if (Array.isArray(value)) value.forEach((each) => search.append(name, String(each)));
    else if (typeof value !== "object" || value === null) search.append(name, String(value));
    else {
      for (const [key, member] of Object.entries(value)) {
        search.append(name === "filters" ? `filters[${key}]` : `${name}.${key}`, String(member));
      }
    }
  }
  return new QueryParameters(search, names);
}
