/**
 * The first questions that are put to a platform: those about properties find no columns of them, and
 * have them made. What is measured afterwards finds them, as all but the first questions do.
 */
import {
  type AnalyticsQuestion,
  analyticsQuestions,
  type AnalyticsResult,
} from "./analytics_questions.ts";
import { runBenchProcess } from "./bench_process.ts";
import { MONTH_END_MS, MONTH_START_MS } from "./month_of_events.ts";
import { untilIdle } from "./process_usage.ts";
import type { QuestionOrder } from "./question_client.ts";

/** Another list of questions than those that are measured. */
const SERIAL = 2_000;
const deadlineMs = 120_000;

/** What the first questions took. */
export interface FirstQuestions {
  readonly questions: readonly AnalyticsQuestion[];
  readonly latenciesMs: readonly number[];
  /** From the last answer until the process had made all that it was asked for, s. */
  readonly madeSeconds: number;
}

/** Asks one question of each kind, and waits until the process works on nothing any more. */
export async function askFirst(gateway: string, pid: number): Promise<FirstQuestions> {
  const questions = analyticsQuestions(MONTH_START_MS, MONTH_END_MS, 1, SERIAL);
  const order: QuestionOrder = { gateway, warmUp: [], questions };
  const { latenciesMs } = await runBenchProcess<AnalyticsResult>(
    "question_client.ts",
    order,
    deadlineMs,
  );
  const answeredAt = performance.now();
  await untilIdle(pid, deadlineMs);
  return { questions, latenciesMs, madeSeconds: (performance.now() - answeredAt) / 1_000 };
}

/** Removes the columns that earlier runs have had made. */
export function withoutColumns(dataFolder: string): void {
  for (const { name } of Deno.readDirSync(dataFolder)) {
    if (/[.]duckdb[.]properties([.]|$)/.test(name)) Deno.removeSync(`${dataFolder}/${name}`);
  }
}
