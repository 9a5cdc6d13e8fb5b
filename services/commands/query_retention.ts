/** `rta query retention` and `rta query stickiness`. */
import { stepArgument } from "./query_arguments.ts";
import type { Json } from "./query_client.ts";
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
import { rangeTitle } from "./query_counts.ts";
import type { AnswerTable } from "./query_table.ts";

const dayChars = "2026-01-05".length;
/** Stands before a figure whose time is not over. */
const OPEN = "*";

/** What `rta query retention` takes beside what all kinds do. */
interface RetentionOptions extends QueryOptions {
  readonly start?: string;
  readonly return?: string;
  readonly granularity?: string;
  readonly mode?: string;
  readonly cohort?: string;
  readonly periods?: number;
}

/** `POST /v1/analytics/retention`. */
export const retentionKind: QueryKind = {
  request(options: RetentionOptions, nowMs) {
    const { start, granularity, mode, cohort, periods } = options;
    return {
      path: "/v1/analytics/retention",
      body: {
        ...commonBody(options, nowMs),
        ...withoutUndefined<unknown>({
          start: start && eventsNamed(start),
          return: options.return && eventsNamed(options.return),
          granularity,
          mode,
          cohort,
          periods,
        }),
      },
    };
  },
  tables: (answer) => [matrixTable(answer)],
};

/** `TYPE` or `TYPE:conditions`, as the body has the events of a start and of a return. */
function eventsNamed(text: string): Json {
  const { event_type: type, filter } = stepArgument(text);
  return withoutUndefined<unknown>({ event_types: [type], filter });
}

/** A row for each cohort, a column for each period after it; then all cohorts together. */
function matrixTable(answer: Json): AnswerTable {
  const cohorts = listIn(answer, "cohorts");
  const metadata = objectIn(answer, "metadata");
  const unit = textIn(metadata, "granularity")?.replace("TIME_GRANULARITY_", "").toLowerCase();
  const totals = objectIn(answer, "totals");
  const count = Math.max(0, ...cohorts.map((cohort) => listIn(cohort, "periods").length));
  const cells = (row: Json) => {
    const shares = listIn(row, "periods").map((cell) => shareText(cell, row));
    return [...shares, ...Array<string>(Math.max(0, count - shares.length)).fill("")];
  };
  return {
    title: `${rangeTitle(`Retention by ${unit}, ${metadata.mode}`, answer)}, ` +
      `${metadata.time_zone}; ${OPEN} = not over yet`,
    columns: [
      { title: "cohort" },
      { title: "users", kind: "number" },
      ...Array.from({ length: count }, (_, period) => ({
        title: `${unit} ${period}`,
        kind: "number" as const,
      })),
    ],
    rows: [
      ...cohorts.map((cohort) => [
        `${textIn(cohort, "start")?.slice(0, dayChars)}${cohort.complete === true ? "" : OPEN}`,
        numberIn(cohort, "size"),
        ...cells(cohort),
      ]),
      ["all that is over", numberIn(totals, "size"), ...cells(totals)],
    ],
  };
}

/**
 * The share of a cohort's users who came back; of all cohorts together each period has a size of its
 * own, that of the cohorts for which it is over.
 */
function shareText(cell: Json, cohort: Json): string {
  const rate = numberIn(cell, "rate") ?? 0;
  if ((numberIn(cell, "size") ?? numberIn(cohort, "size")) === 0) return "-";
  return `${cell.complete === false ? OPEN : ""}${(100 * rate).toFixed(1)} %`;
}

/** `POST /v1/analytics/stickiness`. */
export const stickinessKind: QueryKind = {
  request(options, nowMs) {
    const { granularity } = options;
    return {
      path: "/v1/analytics/stickiness",
      body: { ...commonBody(options, nowMs), ...withoutUndefined({ granularity }) },
    };
  },
  tables(answer) {
    const active = objectIn(answer, "active_users");
    const day = textIn(objectIn(active, "day"), "start")?.slice(0, dayChars);
    return [
      {
        title: `${rangeTitle("Stickiness", answer)}; ${OPEN} = not over yet`,
        columns: [
          { title: "from" },
          { title: "days", kind: "number" },
          { title: "users", kind: "number" },
          { title: "users a day", kind: "number" },
          { title: "daily of all", kind: "percent" },
          { title: "days a user", kind: "number" },
        ],
        rows: listIn(answer, "periods").map((period) => [
          `${textIn(period, "start")?.slice(0, dayChars)}${period.complete === true ? "" : OPEN}`,
          numberIn(period, "days"),
          numberIn(period, "users"),
          numberIn(period, "daily_users"),
          numberIn(period, "ratio"),
          numberIn(period, "mean_days"),
        ]),
      },
      {
        title: `Active users of ${day} and before${active.complete === true ? "" : OPEN}`,
        columns: [{ title: "" }, { title: "users", kind: "number" }, {
          title: "daily of these",
          kind: "percent",
        }],
        rows: [
          ["that day", numberIn(active, "daily"), null],
          ["7 days", numberIn(active, "weekly"), numberIn(active, "daily_to_weekly")],
          ["30 days", numberIn(active, "monthly"), numberIn(active, "daily_to_monthly")],
        ],
      },
    ];
  },
};
