/** `rta query summary` and `rta query series`. */
import type { Json } from "./query_client.ts";
import {
  commonParameters,
  listIn,
  numberIn,
  objectIn,
  type QueryKind,
  textIn,
  withoutUndefined,
} from "./query_kind.ts";
import type { AnswerTable } from "./query_table.ts";

const PERCENT = 100;

/** `GET /v1/analytics/summary`. */
export const summaryKind: QueryKind = {
  request: (options, nowMs) => ({
    path: "/v1/analytics/summary",
    parameters: commonParameters(options, nowMs),
  }),
  tables(answer) {
    const total = numberIn(answer, "total_events") ?? 0;
    return [
      {
        title: rangeTitle("Summary", answer),
        columns: [{ title: "" }, { title: "number", kind: "number" }, {
          title: "change",
          kind: "percent",
        }, { title: "accuracy" }],
        rows: listIn(answer, "top_metrics").map((metric) => {
          const name = textIn(metric, "name") ?? "";
          const change = numberIn(metric, "change_percentage");
          return [
            name.replaceAll("_", " "),
            numberIn(metric, "value"),
            change === null ? null : change / PERCENT,
            accuracyOf(answer, `top_metrics.${name}`),
          ];
        }),
      },
      {
        title: null,
        columns: [{ title: "event type" }, { title: "events", kind: "number" }, {
          title: "share",
          kind: "percent",
        }],
        rows: eventsByType(answer).map(([type, events]) => [
          type,
          events,
          total === 0 ? null : events / total,
        ]),
      },
    ];
  },
};

/** `GET /v1/analytics/timeseries`. */
export const seriesKind: QueryKind = {
  request(options, nowMs) {
    const { metric = "events", granularity, tz, by = [] } = options;
    return {
      path: "/v1/analytics/timeseries",
      parameters: {
        ...commonParameters(options, nowMs),
        ...withoutUndefined({
          metric: String(metric),
          granularity: granularity as string | undefined,
          tz,
          group_by: namesOf(by),
        }),
      },
    };
  },
  tables(answer) {
    const metadata = objectIn(answer, "metadata");
    const metric = textIn(metadata, "metric") ?? "value";
    const title = `${rangeTitle(`${metric} over time`, answer)}, ${metadata.time_zone}`;
    return [{ ...pointsTable(answer, metric), title }];
  },
};

/** Names of a repeated option as a comma list; undefined = none. */
export function namesOf(by: unknown): string | undefined {
  const names = (by as readonly string[]).join(",");
  return names === "" ? undefined : names;
}

/** A row for each time, a column for each group. */
function pointsTable(answer: Json, metric: string): AnswerTable {
  const points = listIn(answer, "series");
  const names = [...new Set(points.flatMap((point) => Object.keys(objectIn(point, "labels"))))];
  const groupOf = (point: Json) =>
    names.map((name) => textIn(objectIn(point, "labels"), name) ?? "-").join(" / ");
  const groups = [...new Set(points.map(groupOf))];
  const times = [...new Set(points.map((point) => textIn(point, "timestamp")))];
  const values = new Map(
    points.map((
      point,
    ) => [`${textIn(point, "timestamp")} ${groupOf(point)}`, numberIn(point, "value")]),
  );
  return {
    title: null,
    columns: [
      { title: "time" },
      ...groups.map((group) => ({ title: group || metric, kind: "number" as const })),
    ],
    rows: times.map((time) => [
      time,
      ...groups.map((group) => values.get(`${time} ${group}`) ?? null),
    ]),
  };
}

function eventsByType(answer: Json): (readonly [type: string, events: number])[] {
  const counts = Object.entries(objectIn(answer, "events_by_type"));
  return counts.map(([type, events]) => [type, Number(events)]);
}

/** `Summary, 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z`. */
export function rangeTitle(what: string, answer: Json): string {
  const metadata = answer.metadata as Json | undefined;
  const range = metadata?.time_range as Json | undefined;
  return range === undefined ? what : `${what}, ${range.start} to ${range.end}`;
}

/** How exact a field is. */
function accuracyOf(answer: Json, field: string): string | null {
  return textIn(objectIn(answer, "accuracy"), field);
}
