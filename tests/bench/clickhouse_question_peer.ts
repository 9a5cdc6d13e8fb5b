/**
 * Peer of the analytics cases, a process of its own: ClickHouse answers the same questions from the
 * same rows with two threads, in the way its documentation has them: windowFunnel for funnels, one
 * pass over users for retention. It is asked in the process, without a network.
 */
import {
  type AnalyticsQuestion,
  type AnswerFigures,
  askEach,
  FUNNEL_WINDOW_MS,
  stepFigures,
} from "./analytics_questions.ts";
import { readOrder, sayResult } from "./bench_process.ts";
import { type ClickhouseEngine, openChdb } from "./chdb_engine.ts";

/** What is asked. */
export interface ClickhouseQuestionOrder {
  readonly chdbFolder: string;
  readonly dataFolder: string;
  readonly warmUp: readonly AnalyticsQuestion[];
  readonly questions: readonly AnalyticsQuestion[];
}

const order = readOrder<ClickhouseQuestionOrder>();

const textOf = (value: string) => `'${value.replaceAll("'", "\\'")}'`;
const timeOf = (ms: number) => `fromUnixTimestamp64Milli(${ms}, 'UTC')`;

/** Rows of a question's range. */
function rangeOf({ startMs, endMs }: AnalyticsQuestion): string {
  return `timestamp >= ${timeOf(startMs)} AND timestamp < ${timeOf(endMs)}`;
}

async function funnel(engine: ClickhouseEngine, question: AnalyticsQuestion) {
  const { types } = question;
  const steps = types.map((type) => `type = ${textOf(type)}`).join(", ");
  const rows = await engine.query(
    `SELECT level, toFloat64(count()) FROM (
       SELECT windowFunnel(${FUNNEL_WINDOW_MS})(toUInt64(toUnixTimestamp64Milli(timestamp)), ${steps})
         AS level
       FROM month.events
       WHERE ${rangeOf(question)} AND type IN (${types.map(textOf).join(", ")})
       GROUP BY user_id
     ) GROUP BY level`,
  );
  const byLevel = new Map(rows.map(([level, users]) => [Number(level), Number(users)]));
  return stepFigures(byLevel, types.length);
}

/** Users by the week of their first event of a type, and the weeks after it in which they came. */
async function retention(engine: ClickhouseEngine, question: AnalyticsQuestion) {
  const rows = await engine.query(
    `SELECT toString(cohort), dateDiff('week', cohort, week) AS k, toFloat64(count()) FROM (
       SELECT toMonday(minIf(timestamp, type = ${textOf(question.types[0])})) AS cohort,
         arrayJoin(groupUniqArray(toMonday(timestamp))) AS week
       FROM month.events WHERE ${rangeOf(question)}
       GROUP BY user_id HAVING countIf(type = ${textOf(question.types[0])}) > 0
     ) WHERE week >= cohort GROUP BY cohort, k`,
  );
  return Object.fromEntries(rows.map(([week, k, users]) => [`${week} + ${k}`, Number(users)]));
}

const engine = openChdb(order.chdbFolder, order.dataFolder);
function ask(question: AnalyticsQuestion): Promise<AnswerFigures> {
  return question.kind === "retention" ? retention(engine, question) : funnel(engine, question);
}
await askEach(order.warmUp, ask);
sayResult(await askEach(order.questions, ask));
engine.close();
