/** `rta query funnel`, and `--users` with it: who they are that reached a step or got no further. */
import { durationArgument, stepArgument } from "./query_arguments.ts";
import { type Json, QueryError } from "./query_client.ts";
import {
  commonBody,
  listIn,
  numberIn,
  type QueryKind,
  type QueryOptions,
  textIn,
  withoutUndefined,
} from "./query_kind.ts";
import { rangeTitle } from "./query_counts.ts";
import { type AnswerTable, secondsOf } from "./query_table.ts";

/** What `rta query funnel` takes beside what all kinds do. */
interface FunnelOptions extends QueryOptions {
  readonly step?: readonly string[];
  /** Steps that may be left out, in the same form, in their place among the others. */
  readonly exclude?: readonly string[];
  readonly order?: string;
  readonly window?: string;
  readonly stepTimeout?: string;
  readonly by?: string;
  readonly limit?: number;
  /** A step counted from 1, with `converted` or `dropped`. */
  readonly users?: string;
  readonly pageToken?: string;
}

const USERS_FORM = "--users takes a step and an outcome, such as 2:converted or 2:dropped";

/** `POST /v1/analytics/funnel`, or `/funnel/users` with --users. */
export const funnelKind: QueryKind = {
  request(options: FunnelOptions, nowMs) {
    const { step: steps = [], exclude = [], order, by, limit, users } = options;
    if (steps.length === 0 && options.body === undefined) {
      throw new QueryError("a funnel has steps: --step signup --step purchase:plan=pro, or --body");
    }
    const body = {
      ...commonBody(options, nowMs),
      ...withoutUndefined<unknown>({
        steps: steps.length === 0 ? undefined : steps.map(funnelStep),
        exclusions: exclude.length === 0 ? undefined : exclude.map(stepArgument),
        order,
        window: options.window && durationArgument(options.window, "--window"),
        step_timeout: options.stepTimeout &&
          durationArgument(options.stepTimeout, "--step-timeout"),
        breakdown: by,
      }),
    };
    if (users !== undefined) {
      const match = /^(\d{1,3}):(converted|dropped)$/.exec(users);
      if (match === null) throw new QueryError(USERS_FORM);
      const page = withoutUndefined<unknown>({ limit, page_token: options.pageToken });
      return {
        path: "/v1/analytics/funnel/users",
        body: { ...body, step: Number(match[1]), outcome: match[2], ...page },
      };
    }
    const most = limit === undefined ? {} : { breakdown_limit: limit };
    return { path: "/v1/analytics/funnel", body: { ...body, ...most } };
  },
  tables(answer, { users }: FunnelOptions) {
    if (users !== undefined) return [usersTable(answer, users)];
    const steps = listIn(answer, "steps");
    const parts = listIn(answer, "breakdown");
    const title = rangeTitle("Funnel", answer);
    const whole = { ...stepsTable(steps), title };
    return parts.length === 0 ? [whole] : [whole, segmentsTable(parts)];
  },
};

/** `type?` is a step that may be left out. */
function funnelStep(text: string): Json {
  const match = /^([^:]+)\?(:.*)?$/s.exec(text);
  if (match === null) return { ...stepArgument(text) };
  return { ...stepArgument(`${match[1]}${match[2] ?? ""}`), optional: true };
}

function stepsTable(steps: readonly Json[]): AnswerTable {
  return {
    title: null,
    columns: [
      { title: "step" },
      { title: "users", kind: "number" },
      { title: "of the first", kind: "percent" },
      { title: "of the one before", kind: "percent" },
      { title: "dropped", kind: "number" },
      { title: "mean time", kind: "seconds" },
      { title: "median time", kind: "seconds" },
    ],
    rows: steps.map((step, index) => [
      `${index + 1} ${textIn(step, "name")}${step.optional === true ? " (optional)" : ""}`,
      numberIn(step, "users"),
      numberIn(step, "conversion_rate"),
      numberIn(step, "conversion_from_previous"),
      numberIn(step, "dropped"),
      secondsOf(step.avg_time_to_convert),
      secondsOf(step.median_time_to_convert),
    ]),
  };
}

/** A row for each value of what the funnel is broken down by, a column for each step. */
function segmentsTable(segments: readonly Json[]): AnswerTable {
  const names = listIn(segments[0], "steps").map((step) => textIn(step, "name") ?? "");
  return {
    title: "By the property of the first step",
    columns: [
      { title: "value" },
      ...names.map((name, index) => ({
        title: `${index + 1} ${name}`,
        kind: "number" as const,
      })),
      { title: "conversion", kind: "percent" },
    ],
    rows: segments.map((segment) => [
      textIn(segment, "value"),
      ...listIn(segment, "steps").map((step) => numberIn(step, "users")),
      numberIn(segment, "overall_conversion_rate"),
    ]),
  };
}

function usersTable(answer: Json, asked: string): AnswerTable {
  return {
    title: rangeTitle(`Users of step ${asked.replace(":", ", ")}`, answer),
    columns: [{ title: "user" }, { title: "first step" }, { title: "last step" }, {
      title: "reached",
      kind: "number",
    }],
    rows: listIn(answer, "users").map((user) => [
      textIn(user, "user_id"),
      textIn(user, "first_step_at"),
      textIn(user, "last_step_at"),
      numberIn(user, "last_step"),
    ]),
  };
}
