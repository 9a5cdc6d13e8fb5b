/**
 * The table of each kind of answer as CSV: one a kind, whose columns depend on nothing but the names
 * of labels. They are named as the members of the JSON answer are; counts and shares are numbers,
 * spans of time numbers of seconds, times RFC 3339. Where an answer has rows of several kinds, the
 * column `kind` tells them apart. Every table is in docs/REST_API.md.
 */

import { PATH_DEPTH_MAX } from "../../lib/config/limits.ts";
import type { SeriesJson, SummaryJson, TimeRangeJson, UserJson, UsersJson } from "./answer_json.ts";
import type { BreakdownJson } from "./breakdown_json.ts";
import { type AnswerQuality, csvAnswer, type CsvCells, qualityHeaders } from "./csv_answer.ts";
import type { FunnelJson, FunnelUsersJson } from "./funnel_json.ts";
import type { PathsJson, PathStepJson } from "./paths_json.ts";
import type { RetentionJson, StickinessJson } from "./retention_json.ts";

/** A summary, one number a row: its name, of what, its value and what else is known of it. */
export function summaryCsv(answer: SummaryJson): Response {
  const header = ["field", "name", "value", "unit", "change_percentage"];
  return ranged(answer, header, [
    ["total_events", null, Number(answer.total_events), null, null],
    ["unique_users", null, Number(answer.unique_users), null, null],
    ["sessions", null, Number(answer.sessions), null, null],
    ...Object.entries(answer.events_by_type).map(([type, events]): CsvCells => {
      return ["events_by_type", type, Number(events), null, null];
    }),
    ...answer.top_metrics.map(({ name, value, unit, change_percentage: change }): CsvCells => {
      return ["top_metrics", name, value, unit, change];
    }),
  ]);
}

/** A series grouped by these labels, one point a row: its time, its labels, its value. */
export function seriesCsv(answer: SeriesJson, labels: readonly string[]): Response {
  const rows = answer.series.map((point): CsvCells => [
    point.timestamp,
    ...labels.map((label) => point.labels[label] ?? null),
    point.value,
  ]);
  return ranged(answer, withLabels(["timestamp"], labels, ["value"]), rows);
}

type BreakdownRow = BreakdownJson["total"] & {
  readonly labels?: Readonly<Record<string, string>>;
};

/** A breakdown: a row for each group, the others and all; over time, one more for each bucket. */
export function breakdownCsv(answer: BreakdownJson): Response {
  const { group_by: by } = answer.metadata;
  const figures = ["value", "previous_value", "change_percentage"];
  const counts = ["events", "events_without_number"];
  const rowsOf = (kind: string, row: BreakdownRow): CsvCells[] => {
    const labels = by.map((label) => row.labels?.[label] ?? null);
    const { value, previous_value: before, change_percentage: change } = row;
    const ofCounts = [Number(row.events), Number(row.events_without_number)];
    return [
      [kind, null, ...labels, value, before, change, ...ofCounts],
      ...row.points.map((point) => {
        return [kind, point.timestamp, ...labels, point.value, null, null, null, null];
      }),
    ];
  };
  return ranged(answer, withLabels(["kind", "timestamp"], by, [...figures, ...counts]), [
    ...answer.groups.flatMap((group) => rowsOf("group", group)),
    ...(answer.other === null ? [] : rowsOf("other", answer.other)),
    ...rowsOf("total", answer.total),
  ]);
}

/** A funnel: a row for each step, of all users and then of each value that tells them apart. */
export function funnelCsv(answer: FunnelJson): Response {
  const rowsOf = (
    kind: string,
    value: string | null,
    steps: FunnelJson["breakdown"][number]["steps"] | FunnelJson["steps"],
  ) =>
    steps.map((step, index): CsvCells => [
      kind,
      value,
      index + 1,
      step.name,
      step.optional,
      Number(step.users),
      step.conversion_rate,
      step.conversion_from_previous,
      Number(step.dropped),
      seconds(step.avg_time_to_convert),
      seconds("median_time_to_convert" in step ? step.median_time_to_convert : null),
    ]);
  const header = [
    "kind",
    "value",
    "step",
    "name",
    "optional",
    "users",
    "conversion_rate",
    "conversion_from_previous",
    "dropped",
    "avg_time_to_convert",
    "median_time_to_convert",
  ];
  return ranged(answer, header, [
    ...rowsOf("all", null, answer.steps),
    ...answer.breakdown.flatMap(({ kind, value, steps }) => {
      return rowsOf(kind, kind === "value" ? value : null, steps);
    }),
  ]);
}

/** A page of the users of a funnel. */
export function funnelUsersCsv(answer: FunnelUsersJson): Response {
  const header = ["user_id", "first_step_at", "last_step_at", "last_step"];
  const rows = answer.users.map((user): CsvCells => {
    return [user.user_id, user.first_step_at, user.last_step_at, user.last_step];
  });
  return ranged(answer, header, rows);
}

/** Retention: a row for each cell, and for each period of all cohorts together. */
export function retentionCsv(answer: RetentionJson): Response {
  const header = [
    "kind",
    "cohort_start",
    "cohort_end",
    "cohort_complete",
    "cohorts",
    "size",
    "period",
    "period_start",
    "users",
    "rate",
    "complete",
  ];
  return ranged(answer, header, [
    ...answer.cohorts.flatMap(({ start, end, complete, size, periods }) =>
      periods.map((cell): CsvCells => {
        const { period, users, rate } = cell;
        const cohort = ["cohort", start, end, complete, 1, Number(size)];
        return [...cohort, period, cell.start, Number(users), rate, cell.complete];
      })
    ),
    ...answer.totals.periods.map(({ period, cohorts, size, users, rate }): CsvCells => {
      const all = ["total", null, null, null, cohorts, Number(size)];
      return [...all, period, null, Number(users), rate, true];
    }),
  ]);
}

/** Stickiness: a row for each period, each number of days in it, and each figure of the last day. */
export function stickinessCsv(answer: StickinessJson): Response {
  const header = [
    "kind",
    "start",
    "end",
    "complete",
    "days",
    "days_active",
    "users",
    "user_days",
    "mean_days",
    "daily_users",
    "ratio",
  ];
  const { day, complete: dayComplete, ...active } = answer.active_users;
  const ofDay = (kind: string, users: string | null, ratio: number | null): CsvCells => {
    const counted = users === null ? null : Number(users);
    return [kind, day.start, day.end, dayComplete, null, null, counted, null, null, null, ratio];
  };
  return ranged(answer, header, [
    ...answer.periods.flatMap((period): CsvCells[] => {
      const { start, end, complete, days, users, user_days: userDays } = period;
      const means = [period.mean_days, period.daily_users, period.ratio];
      return [
        ["period", start, end, complete, days, null, Number(users), Number(userDays), ...means],
        ...period.users_by_days.map((each, index): CsvCells => {
          const cells = [days, index + 1, Number(each), null, null, null, null];
          return ["users_by_days", start, end, complete, ...cells];
        }),
      ];
    }),
    ofDay("daily", active.daily, null),
    ofDay("weekly", active.weekly, null),
    ofDay("monthly", active.monthly, null),
    ofDay("daily_to_weekly", null, active.daily_to_weekly),
    ofDay("daily_to_monthly", null, active.daily_to_monthly),
    ofDay("weekly_to_monthly", null, active.weekly_to_monthly),
  ]);
}

/** Paths: a row for where they begin, then for each step, before those that follow it. */
export function pathsCsv(answer: PathsJson): Response {
  const rowOf = (
    { occurrences, users, ended, other }: PathsJson | PathStepJson,
    rate: number | null,
    types: readonly string[],
  ): CsvCells => [
    types.length,
    ...Array.from({ length: PATH_DEPTH_MAX }, (_, index) => types[index] ?? null),
    Number(occurrences),
    Number(users),
    rate,
    Number(ended),
    other.types,
    Number(other.occurrences),
  ];
  const rowsBelow = (steps: readonly PathStepJson[], before: readonly string[]): CsvCells[] =>
    steps.flatMap((step) => {
      const types = [...before, step.type];
      return [rowOf(step, step.rate, types), ...rowsBelow(step.steps, types)];
    });
  const header = [
    "depth",
    ...Array.from({ length: PATH_DEPTH_MAX }, (_, index) => `step_${index + 1}`),
    ...["occurrences", "users", "rate", "ended", "other_types", "other_occurrences"],
  ];
  return ranged(answer, header, [rowOf(answer, null, []), ...rowsBelow(answer.steps, [])]);
}

/** A page of the users that a search has found. */
export function usersCsv(answer: UsersJson): Response {
  const header = ["user_id", "first_seen", "last_seen", "total_events"];
  const rows = answer.users.map((user): CsvCells => {
    return [user.user_id, user.first_seen, user.last_seen, user.total_events];
  });
  return csvAnswer({ header, rows }, qualityHeaders(answer, null));
}

/** Which part of the answer about one user is the table. */
export type UserTable = "user" | "events" | "sessions";

/** One user: a page of events, with the columns of an export, or of sessions, or one row of both. */
export function userCsv(answer: UserJson, table: UserTable): Response {
  const { header, rows } = userTables[table](answer);
  // A page that is not shown goes on nowhere.
  const shown = {
    ...answer,
    next_page_token: table === "events" ? answer.next_page_token : "",
    next_sessions_page_token: table === "sessions" ? answer.next_sessions_page_token : "",
  };
  return csvAnswer({ header, rows }, qualityHeaders(shown, answer.time_range));
}

const userTables = { user: userTable, events: eventsTable, sessions: sessionsTable };

function eventsTable({ events }: UserJson) {
  const header = [
    ...["id", "user_id", "session_id", "type", "category", "timestamp", "received_at"],
    ...["source", "amount", "properties"],
  ];
  const rows = events.map((event): CsvCells => [
    event.id,
    event.user_id,
    event.session_id,
    event.type,
    event.event_type,
    event.timestamp,
    event.received_at,
    // As in an export, where there is none the cell is empty.
    event.source === "" ? null : event.source,
    event.amount ?? null,
    JSON.stringify(event.properties),
  ]);
  return { header, rows };
}

function sessionsTable({ sessions }: UserJson) {
  const header = [
    ...["session_id", "start_time", "end_time", "event_count", "duration"],
    ...["entry_type", "exit_type"],
  ];
  const rows = sessions.map((session): CsvCells => {
    const { session_id: id, start_time: start, end_time: end, event_count: events } = session;
    const duration = seconds(session.duration);
    return [id, start, end, events, duration, session.entry_type, session.exit_type];
  });
  return { header, rows };
}

function userTable({ user_profile: profile, metrics }: UserJson) {
  const cells = PROFILE.map((name) => profile[name]);
  return {
    header: [...PROFILE, "attributes", ...METRICS],
    rows: [[...cells, JSON.stringify(profile.attributes), ...METRICS.map((name) => metrics[name])]],
  };
}

const PROFILE = [
  "user_id",
  "first_seen",
  "last_seen",
  "total_sessions",
  "total_events",
  "attribute_events",
] as const;

const METRICS = [
  "engagement_score",
  "days_active",
  "avg_session_duration",
  "total_transactions",
  "total_revenue",
  "sessions",
  "days_in_range",
] as const;

/** An answer whose metadata has its time range. */
function ranged(
  answer: AnswerQuality & { readonly metadata: { readonly time_range: TimeRangeJson } },
  header: readonly string[],
  rows: readonly CsvCells[],
): Response {
  return csvAnswer({ header, rows }, qualityHeaders(answer, answer.metadata.time_range));
}

/** Columns with those of labels between them; a label with the name of another is `labels.NAME`. */
function withLabels(
  before: readonly string[],
  labels: readonly string[],
  after: readonly string[],
): string[] {
  const own = new Set([...before, ...after]);
  return [...before, ...labels.map((name) => own.has(name) ? `labels.${name}` : name), ...after];
}

/** A duration such as `0.003s` as a number of seconds. */
function seconds(duration: string | null): number | null {
  return duration === null ? null : Number(duration.slice(0, -1));
}
