/** Whether a peer has found the same as the platform: a figure that is faster and wrong is none. */
import type { AnalyticsQuestion, AnswerFigures } from "./analytics_questions.ts";

/** Answers and what they are to. */
export interface ComparedAnswers {
  readonly questions: readonly AnalyticsQuestion[];
  readonly answers: readonly AnswerFigures[];
}

/** Standard error of the platform's estimates of users; four of them are allowed. */
const USERS_ERROR = 4 * 0.0081;

/**
 * Compares the answers to the questions that both were asked; gives how many figures were. Users by
 * a property may be off by what the platform says of its estimates, all else is equal.
 *
 * @throws naming the question and the figure
 */
export function compareAnswers(
  ours: ComparedAnswers,
  theirs: ComparedAnswers,
  peer: string,
): number {
  let compared = 0;
  theirs.questions.forEach((question, index) => {
    const place = ours.questions.findIndex((each) => isSame(each, question));
    if (place < 0) return;
    const [found, expected] = [ours.answers[place], theirs.answers[index]];
    const error = question.kind === "users_by_country" ? USERS_ERROR : 0;
    // The last of the largest may be another one where figures are estimates.
    const names = error > 0 ? Object.keys(found).filter((name) => name in expected) : new Set([
      ...Object.keys(found),
      ...Object.keys(expected),
    ]);
    for (const name of names) {
      const off = Math.abs((found[name] ?? 0) - (expected[name] ?? 0));
      if (off > error * (expected[name] ?? 0)) {
        throw new Error(
          `${JSON.stringify(question)}: ${name} is ${found[name]}, but ${
            expected[name]
          } in ${peer}`,
        );
      }
      compared++;
    }
  });
  return compared;
}

function isSame(a: AnalyticsQuestion, b: AnalyticsQuestion): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
