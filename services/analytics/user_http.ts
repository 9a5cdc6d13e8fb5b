/**
 * The routes about users: `GET /v1/analytics/users/{user_id}` and the search
 * `GET /v1/analytics/users`. They read the query string; answer_user.ts and answer_users.ts answer.
 */

import { type Context, Hono } from "hono";
import {
  ROW_QUESTION_MS_DEFAULT,
  ROW_QUESTION_SECONDS_MAX,
  USER_ATTRIBUTE_EVENTS_DEFAULT,
  USER_ATTRIBUTE_EVENTS_MAX,
  USER_EVENTS_PAGE_DEFAULT,
  USER_EVENTS_PAGE_MAX,
  USER_ID_CHARS_MAX,
  USER_SESSIONS_PAGE_DEFAULT,
  USER_SESSIONS_PAGE_MAX,
  USERS_PAGE_DEFAULT,
  USERS_PAGE_MAX,
} from "../../lib/config/limits.ts";
import {
  flagParameter,
  listParameter,
  mapParameter,
  numberParameter,
  textParameter,
} from "../../lib/http/api_parameters.ts";
import { routingPath } from "../../lib/http/api_route.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import { UserSchema, UsersSchema } from "./answer_json.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { formatParameter } from "./answer_responses.ts";
import { answerUser, type UserRequest } from "./answer_user.ts";
import { answerUsers } from "./answer_users.ts";
import { answerFormat } from "./csv_answer.ts";
import { userCsv, usersCsv, type UserTable } from "./csv_tables.ts";
import { getRoute, parametersOf, rangeParameters, readRange } from "./get_route.ts";
import type { QueryParameters } from "./query_parameters.ts";
import { type Asker, askerOf, patienceOf, patienceOfAsker } from "./question_body.ts";

/** What the routes work with. */
export interface UserRoutesOptions {
  readonly ports: AnalyticsPorts;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
}

const timeoutParameter = numberParameter(
  1,
  ROW_QUESTION_SECONDS_MAX,
  `Longest wait, s; ${ROW_QUESTION_MS_DEFAULT / 1_000} if missing`,
);

/** The question about one user. */
export const userRoute = getRoute({
  path: "/v1/analytics/users/{user_id}",
  id: "getUserAnalytics",
  tag: "Users",
  summary: "One user",
  params: { user_id: "The user's id, percent-encoded" },
  query: {
    ...formatParameter,
    ...rangeParameters,
    tz: textParameter("IANA time zone of the days; UTC if missing"),
    include_events: flagParameter("Give the events in the range"),
    event_types: listParameter("Events of these types"),
    filters: mapParameter("filters[NAME]=text: events whose field or property is that"),
    filter: textParameter("Events that match a list of conditions, as JSON"),
    limit: numberParameter(
      1,
      USER_EVENTS_PAGE_MAX,
      `Events on a page; ${USER_EVENTS_PAGE_DEFAULT} if missing`,
    ),
    page_token: textParameter("next_page_token of the page before"),
    include_sessions: flagParameter("Give the sessions that start in the range"),
    sessions_limit: numberParameter(
      1,
      USER_SESSIONS_PAGE_MAX,
      `Sessions on a page; ${USER_SESSIONS_PAGE_DEFAULT} if missing`,
    ),
    sessions_page_token: textParameter("next_sessions_page_token of the page before"),
    attribute_events: numberParameter(
      0,
      USER_ATTRIBUTE_EVENTS_MAX,
      `Newest events that attributes are read from; ${USER_ATTRIBUTE_EVENTS_DEFAULT} if missing`,
    ),
    timeout_seconds: timeoutParameter,
  },
  answer: UserSchema,
  example: {
    params: { user_id: "ada" },
    query: { include_events: "true", include_sessions: "true" },
  },
});

const usersRoute = getRoute({
  path: "/v1/analytics/users",
  id: "searchUsers",
  tag: "Users",
  summary: "Users by the beginning of their id",
  query: {
    ...formatParameter,
    prefix: textParameter("What the ids begin with, case and all; all users if missing"),
    limit: numberParameter(1, USERS_PAGE_MAX, `Users on a page; ${USERS_PAGE_DEFAULT} if missing`),
    page_token: textParameter("next_page_token of the page before"),
    timeout_seconds: timeoutParameter,
  },
  answer: UsersSchema,
  example: { query: { prefix: "a", limit: "10" } },
});

/** For the OpenAPI document. */
export const USER_ROUTES = [userRoute, usersRoute];

/** `GET /v1/analytics/users/{user_id}` and `GET /v1/analytics/users`. */
export function userRoutes({ ports, projectOf }: UserRoutesOptions): Hono {
  const app = new Hono();
  app.get(routingPath(userRoute), async (context) => {
    const query = parametersOf(context, userRoute.names);
    const format = answerFormat(context, query.text("format"));
    const userId = context.req.param("user_id") ?? "";
    const request = userRequest(userId, query, askerOf(context, projectOf));
    const table = format === "csv" ? tableOf(request) : null;
    const answer = await answerUser(request, ports);
    return table === null ? context.json(answer) : userCsv(answer, table);
  });
  app.get(usersRoute.path, async (context) => {
    const query = parametersOf(context, usersRoute.names);
    const format = answerFormat(context, query.text("format"));
    const answer = await answerUsers({
      project: projectOf(context),
      prefix: readPrefix(query),
      limit: query.integer("limit", 1, USERS_PAGE_MAX),
      pageToken: query.text("page_token"),
      patience: patienceOf(context, readTimeout(query)),
    }, ports);
    return format === "csv" ? usersCsv(answer) : context.json(answer);
  });
  return app;
}

/** The question about one user that the parameters put. */
export function userRequest(userId: string, query: QueryParameters, asker: Asker): UserRequest {
  return {
    project: asker.project,
    userId,
    range: readRange(query, "time_range.start", "time_range.end"),
    timeZone: query.text("tz"),
    includeEvents: query.flag("include_events"),
    filter: query.filter(),
    limit: query.integer("limit", 1, USER_EVENTS_PAGE_MAX),
    pageToken: query.text("page_token"),
    includeSessions: query.flag("include_sessions"),
    sessionsLimit: query.integer("sessions_limit", 1, USER_SESSIONS_PAGE_MAX),
    sessionsPageToken: query.text("sessions_page_token"),
    attributeEvents: query.integer("attribute_events", 0, USER_ATTRIBUTE_EVENTS_MAX),
    patience: patienceOfAsker(asker, readTimeout(query)),
  };
}

/** The one table that CSV has room for. */
function tableOf({ includeEvents, includeSessions }: UserRequest): UserTable {
  if (includeEvents && includeSessions) {
    const detail = "CSV is one table: ask for the events or for the sessions, or for JSON";
    throw invalidParameter("include_sessions", detail);
  }
  if (includeEvents) return "events";
  return includeSessions ? "sessions" : "user";
}

function readTimeout(query: QueryParameters): number | null {
  return query.integer("timeout_seconds", 1, ROW_QUESTION_SECONDS_MAX);
}

function readPrefix(query: QueryParameters): string {
  const prefix = query.text("prefix") ?? "";
  if ([...prefix].length > USER_ID_CHARS_MAX) {
    const detail = `prefix has more than ${USER_ID_CHARS_MAX} characters, as no user id has`;
    throw invalidParameter("prefix", detail);
  }
  if (prefix.includes("\0")) throw invalidParameter("prefix", "prefix must not contain U+0000");
  return prefix;
}
