/** `rta query breakdown`. */
import { type Json, QueryError } from "./query_client.ts";
import { rangeTitle } from "./query_counts.ts";
import {
  commonBody,
  listIn,
  numberIn,
  objectIn,
  type QueryKind,
  type QueryOptions,
  textIn,
  withoutUndefined,
} from "./query_kind.ts";
import type { AnswerCell, AnswerTable } from "./query_table.ts";

const PERCENT = 100;

/** What `rta query breakdown` takes beside what all kinds do. */
interface BreakdownOptions extends QueryOptions {
  readonly metric?: string;
  /** Properties or fields. */
  readonly by?: readonly string[];
  readonly limit?: number;
  readonly granularity?: string;
}

/** `POST /v1/analytics/breakdown`. */
export const breakdownKind: QueryKind = {
  request(options: BreakdownOptions, nowMs) {
    const { metric, by = [], limit, granularity } = options;
    if (by.length === 0 && options.body === undefined) {
      throw new QueryError("a breakdown is --by a property or field, such as country or type");
    }
    const common = commonBody(options, nowMs);
    return {
      path: "/v1/analytics/breakdown",
      body: {
        metric: "events",
        ...common,
        ...withoutUndefined<unknown>({
          metric,
          group_by: by.length === 0 ? undefined : by,
          limit,
          granularity,
        }),
      },
    };
  },
  tables(answer) {
    const groups = groupsTable(answer);
    const points = listIn(answer, "groups").some((group) => listIn(group, "points").length > 0);
    return points ? [groups, pointsTable(answer)] : [groups];
  },
};

/** A row for each group, then the others and all together. */
function groupsTable(answer: Json): AnswerTable {
  const metadata = objectIn(answer, "metadata");
  const by = metadata.group_by as readonly string[];
  const total = numberIn(objectIn(answer, "total"), "value");
  // Shares of averages and percentiles mean nothing, nor do those of users, who are in many groups.
  const adds = /^(events|sum:.*)$/.test(String(metadata.metric)) && total !== null && total > 0;
  const isCount = metadata.metric === "events";
  const figures = (row: Json): AnswerCell[] => {
    const value = numberIn(row, "value");
    const change = numberIn(row, "change_percentage");
    return [
      value,
      ...(adds ? [value === null ? null : value / total] : []),
      ...(isCount ? [] : [numberIn(row, "events")]),
      change === null ? null : change / PERCENT,
    ];
  };
  const named = (name: string, row: Json) => [
    name,
    ...Array<AnswerCell>(by.length - 1).fill(""),
    ...figures(row),
  ];
  const { other } = answer;
  return {
    title: rangeTitle(`${metadata.metric} by ${by.join(", ")}`, answer),
    columns: [
      ...by.map((title) => ({ title })),
      { title: String(metadata.metric), kind: "number" },
      ...(adds ? [{ title: "share", kind: "percent" as const }] : []),
      ...(isCount ? [] : [{ title: "events", kind: "number" as const }]),
      { title: "change", kind: "percent" },
    ],
    rows: [
      ...listIn(answer, "groups").map((group) => [...labelsOf(group, by), ...figures(group)]),
      ...(other === null ? [] : [named("(other)", other as Json)]),
      named("(all)", objectIn(answer, "total")),
    ],
  };
}

/** The group's values; null where its events have none. */
function labelsOf(group: Json, by: readonly string[]): (string | null)[] {
  const labels = objectIn(group, "labels");
  const missing = group.missing as readonly string[];
  return by.map((name) => missing.includes(name) ? null : textIn(labels, name));
}

/** A row for each time, a column for each group. */
function pointsTable(answer: Json): AnswerTable {
  const by = objectIn(answer, "metadata").group_by as readonly string[];
  const { other } = answer;
  const columns = listIn(answer, "groups").map((group) => ({
    title: labelsOf(group, by).map((label) => label ?? "-").join(" / "),
    points: listIn(group, "points"),
  }));
  if (other !== null) columns.push({ title: "(other)", points: listIn(other as Json, "points") });
  columns.push({ title: "(all)", points: listIn(objectIn(answer, "total"), "points") });
  return {
    title: null,
    columns: [
      { title: "time" },
      ...columns.map(({ title }) => ({ title, kind: "number" as const })),
    ],
    rows: columns[0].points.map((point, index) => [
      textIn(point, "timestamp"),
      ...columns.map(({ points }) => numberIn(points[index], "value")),
    ]),
  };
}
