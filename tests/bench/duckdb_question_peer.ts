/**
 * Peer of the analytics cases, a process of its own: DuckDB alone answers the same questions by
 * plain SQL from one table of the same rows and columns, with two threads. Properties are JSON text
 * there as they are in the platform; `wideFile` has the properties asked for as columns of their own
 * besides, which is the most that could be got out of DuckDB by knowing the questions beforehand.
 */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import {
  type AnalyticsQuestion,
  type AnalyticsResult,
  type AnswerFigures,
  askEach,
  TOP,
} from "./analytics_questions.ts";
import { readOrder, sayResult } from "./bench_process.ts";

/** What is asked. */
export interface DuckdbQuestionOrder {
  readonly databaseFile: string;
  /** Of `databaseFile`: properties are columns. */
  readonly wide: boolean;
  /** Exact answers are wanted, to compare with; none otherwise. */
  readonly compared: boolean;
  readonly warmUp: readonly AnalyticsQuestion[];
  readonly questions: readonly AnalyticsQuestion[];
}

const order = readOrder<DuckdbQuestionOrder>();

function rangeOf({ startMs, endMs }: AnalyticsQuestion): string {
  return `timestamp >= make_timestamp_ms(${startMs})::TIMESTAMP_MS
    AND timestamp < make_timestamp_ms(${endMs})::TIMESTAMP_MS`;
}

function property(name: string): string {
  return order.wide ? name : `properties->>'$.${name}'`;
}

/** The largest groups, then the rest as `(other)`. */
function topSql(value: string, metric: string, question: AnalyticsQuestion): string {
  return `SELECT ${value} AS value, ${metric} AS figure FROM events WHERE ${rangeOf(question)}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${TOP}`;
}

/** As in ClickHouse: one pass over users. Weeks are bits, which is faster than any list or join. */
function retentionSql(question: AnalyticsQuestion): string {
  const [type] = question.types;
  return `WITH users AS (
      SELECT date_trunc('week', min(timestamp) FILTER (type = '${type}')) AS cohort,
        bit_or(1::UINTEGER << (date_diff('week', DATE '2025-12-29', timestamp))::INTEGER) AS weeks
      FROM events WHERE ${rangeOf(question)} GROUP BY user_id
    ), cells AS (
      SELECT cohort, weeks >> (date_diff('week', DATE '2025-12-29', cohort))::INTEGER AS later,
        unnest(range(9)) AS k
      FROM users WHERE cohort IS NOT NULL
    )
    SELECT strftime(cohort, '%Y-%m-%d') || ' + ' || k, count(*)
    FROM cells WHERE (later >> k::INTEGER) & 1 = 1 GROUP BY ALL`;
}

/** @param exact users counted one by one, to compare with; the fastest way otherwise */
function sqlOf(question: AnalyticsQuestion, exact = false): string {
  switch (question.kind) {
    case "retention":
      return retentionSql(question);
    case "top_pages":
      return topSql(property("page"), "count(*)", question);
    case "users_by_country":
      return topSql(
        property("country"),
        exact ? "count(DISTINCT user_id)" : "approx_count_distinct(user_id)",
        question,
      );
    default:
      throw new Error(`${question.kind} is not asked of DuckDB`);
  }
}

function asker(connection: DuckDBConnection, exact: boolean) {
  return async (question: AnalyticsQuestion): Promise<AnswerFigures> => {
    const reader = await connection.runAndReadAll(sqlOf(question, exact));
    return Object.fromEntries(
      reader.getRows().map(([name, figure]) => [String(name), Number(figure)]),
    );
  };
}

const database = await DuckDBInstance.create(order.databaseFile, {
  threads: "2",
  access_mode: "READ_ONLY",
});
const connection = await database.connect();
const ask = asker(connection, false);
await askEach(order.warmUp, ask);
const { latenciesMs } = await askEach(order.questions, ask);
// Only the answers are of interest here: its estimates are further off than ours.
const { answers } = order.compared
  ? await askEach(order.questions, asker(connection, true))
  : { answers: [] };
sayResult({ latenciesMs, answers } satisfies AnalyticsResult);
connection.closeSync();
database.closeSync();
