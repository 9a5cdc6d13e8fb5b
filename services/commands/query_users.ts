/** `rta query user ID` and `rta query users PREFIX`. */
import type { Json } from "./query_client.ts";
import {
  commonParameters,
  listIn,
  numberIn,
  objectIn,
  type QueryKind,
  type QueryOptions,
  textIn,
  withoutUndefined,
} from "./query_kind.ts";
import { type AnswerTable, secondsOf } from "./query_table.ts";

/** What both take beside what all kinds do. */
interface UserOptions extends QueryOptions {
  readonly events?: boolean;
  readonly sessions?: boolean;
  readonly limit?: number;
  readonly pageToken?: string;
  readonly sessionsPageToken?: string;
}

/** `GET /v1/analytics/users/{user_id}`. */
export const userKind: QueryKind = {
  request(options: UserOptions, nowMs, userId) {
    const { events, sessions, limit, pageToken, sessionsPageToken, tz } = options;
    return {
      path: `/v1/analytics/users/${encodeURIComponent(userId)}`,
      parameters: {
        ...commonParameters(options, nowMs),
        ...withoutUndefined({
          include_events: events ? "true" : undefined,
          include_sessions: sessions ? "true" : undefined,
          limit: limit === undefined ? undefined : String(limit),
          sessions_limit: sessions && limit !== undefined ? String(limit) : undefined,
          page_token: pageToken,
          sessions_page_token: sessionsPageToken,
          tz,
        }),
      },
    };
  },
  tables(answer, { events, sessions }: UserOptions) {
    const tables = [profileTable(answer), metricsTable(answer)];
    const attributes = attributesTable(objectIn(answer, "user_profile"));
    if (attributes.rows.length > 0) tables.push(attributes);
    if (sessions) tables.push(sessionsTable(answer));
    if (events) tables.push(eventsTable(answer));
    return tables;
  },
};

function profileTable(answer: Json): AnswerTable {
  const profile = objectIn(answer, "user_profile");
  return {
    title: `User ${textIn(profile, "user_id")}`,
    columns: [{ title: "first seen" }, { title: "last seen" }, {
      title: "sessions",
      kind: "number",
    }, { title: "events", kind: "number" }],
    rows: [[
      textIn(profile, "first_seen"),
      textIn(profile, "last_seen"),
      numberIn(profile, "total_sessions"),
      numberIn(profile, "total_events"),
    ]],
  };
}

function metricsTable(answer: Json): AnswerTable {
  const metrics = objectIn(answer, "metrics");
  const range = objectIn(answer, "time_range");
  return {
    title: `${range.start} to ${range.end}, ${textIn(answer, "time_zone")}`,
    columns: [
      { title: "days active", kind: "number" },
      { title: "of days", kind: "number" },
      { title: "sessions", kind: "number" },
      { title: "mean session", kind: "seconds" },
      { title: "transactions", kind: "number" },
      { title: "revenue", kind: "number" },
      { title: "engagement", kind: "number" },
    ],
    rows: [[
      numberIn(metrics, "days_active"),
      numberIn(metrics, "days_in_range"),
      numberIn(metrics, "sessions"),
      numberIn(metrics, "avg_session_duration"),
      numberIn(metrics, "total_transactions"),
      numberIn(metrics, "total_revenue"),
      numberIn(metrics, "engagement_score"),
    ]],
  };
}

function attributesTable(profile: Json): AnswerTable {
  return {
    title: "Last known properties",
    columns: [{ title: "property" }, { title: "value" }],
    rows: Object.entries(objectIn(profile, "attributes"))
      .map(([name, value]) => [name, String(value)]),
  };
}

function sessionsTable(answer: Json): AnswerTable {
  return {
    title: "Sessions, newest first",
    columns: [
      { title: "session" },
      { title: "start" },
      { title: "duration", kind: "seconds" },
      {
        title: "events",
        kind: "number",
      },
      { title: "first" },
      { title: "last" },
    ],
    rows: listIn(answer, "sessions").map((session) => [
      textIn(session, "session_id"),
      textIn(session, "start_time"),
      secondsOf(session.duration),
      numberIn(session, "event_count"),
      textIn(session, "entry_type"),
      textIn(session, "exit_type"),
    ]),
  };
}

function eventsTable(answer: Json): AnswerTable {
  return {
    title: "Events, newest first",
    columns: [{ title: "time" }, { title: "type" }, { title: "id" }, {
      title: "amount",
      kind: "number",
    }, { title: "properties" }],
    rows: listIn(answer, "events").map((event) => [
      textIn(event, "timestamp"),
      textIn(event, "type"),
      textIn(event, "id"),
      numberIn(event, "amount"),
      Object.entries(objectIn(event, "properties")).map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ]),
  };
}

/** `GET /v1/analytics/users?prefix=`. */
export const usersKind: QueryKind = {
  request({ limit, pageToken }: UserOptions, _nowMs, prefix) {
    return {
      path: "/v1/analytics/users",
      parameters: withoutUndefined({
        prefix: prefix === "" ? undefined : prefix,
        limit: limit === undefined ? undefined : String(limit),
        page_token: pageToken,
      }),
    };
  },
  tables: (answer) => [{
    title: null,
    columns: [{ title: "user" }, { title: "first seen" }, { title: "last seen" }, {
      title: "events",
      kind: "number",
    }],
    rows: listIn(answer, "users").map((user) => [
      textIn(user, "user_id"),
      textIn(user, "first_seen"),
      textIn(user, "last_seen"),
      numberIn(user, "total_events"),
    ]),
  }],
};
