/** `rta query paths`. */
import { stepArgument } from "./query_arguments.ts";
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
import type { AnswerCell } from "./query_table.ts";

/** What `rta query paths` takes beside what all kinds do. */
interface PathsOptions extends QueryOptions {
  /** `--from` is the range's, as everywhere. */
  readonly after?: string;
  readonly before?: string;
  readonly depth?: number;
  readonly limit?: number;
  readonly scope?: string;
  readonly within?: number;
  readonly collapse?: boolean;
}

/** `POST /v1/analytics/paths`. */
export const pathsKind: QueryKind = {
  request(options: PathsOptions, nowMs) {
    const { after, before, depth, limit, scope, within, collapse, body } = options;
    if ((after === undefined) === (before === undefined) && body === undefined) {
      throw new QueryError("paths go --after an event or --before one, such as --after signup");
    }
    return {
      path: "/v1/analytics/paths",
      body: {
        ...commonBody(options, nowMs),
        ...withoutUndefined<unknown>({
          from: after && anchorNamed(after),
          to: before && anchorNamed(before),
          depth,
          limit,
          scope,
          within_seconds: within,
          collapse_repeats: collapse,
        }),
      },
    };
  },
  tables(answer) {
    const { direction, scope } = objectIn(answer, "metadata");
    const title = rangeTitle(`What came ${direction}, within a ${scope}`, answer);
    const all = [
      "(all)",
      numberIn(answer, "occurrences"),
      null,
      numberIn(answer, "users"),
      numberIn(answer, "ended"),
    ];
    return [{
      title,
      columns: [
        { title: "path" },
        { title: "times", kind: "number" },
        { title: "share", kind: "percent" },
        { title: "users", kind: "number" },
        { title: "ended there", kind: "number" },
      ],
      rows: [all, ...rowsBelow(answer, 1)],
    }];
  },
};

/** `TYPE` or `TYPE:conditions`, as the body has an anchor. */
function anchorNamed(text: string): Json {
  const { event_type: type, filter } = stepArgument(text);
  return withoutUndefined<unknown>({ event_types: [type], filter });
}

/** The steps after a place, each with what follows it, indented by depth. */
function rowsBelow(place: Json, depth: number): AnswerCell[][] {
  const indent = "  ".repeat(depth - 1);
  const rows = listIn(place, "steps").flatMap((step) => [
    [
      `${indent}${textIn(step, "type")}`,
      numberIn(step, "occurrences"),
      numberIn(step, "rate"),
      numberIn(step, "users"),
      numberIn(step, "ended"),
    ],
    ...rowsBelow(step, depth + 1),
  ]);
  const { types, occurrences } = objectIn(place, "other");
  if (types === 0) return rows;
  const others = `${indent}(${types} other types)`;
  return [...rows, [others, Number(occurrences), null, null, null]];
}
