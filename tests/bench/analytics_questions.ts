/**
 * The questions of the analytics cases, told apart from how they are put: the same list goes to the
 * platform and to its peers, and their answers are compared number by number. Every question of a
 * kind is another one, by its range or by its event types, so that no answer can be a kept one.
 */

/** Kinds of questions whose answers are compared. */
export const QUESTION_KINDS = [
  "funnel3",
  "funnel8",
  "retention",
  "top_pages",
  "users_by_country",
] as const;

export type AnalyticsKind = typeof QUESTION_KINDS[number];

/** One question. Times in ms since the epoch. */
export interface AnalyticsQuestion {
  readonly kind: AnalyticsKind;
  readonly startMs: number;
  readonly endMs: number;
  /** Of a funnel: its steps. Of retention: the one event type that begins a cohort. */
  readonly types: readonly string[];
}

/** Each figure of an answer by its name, such as `step 2` or `2026-01-05 + 3`. */
export type AnswerFigures = Readonly<Record<string, number>>;

/** What one contestant found: by question in the order of the list. */
export interface AnalyticsResult {
  /** Time until the answer was there, ms. */
  readonly latenciesMs: readonly number[];
  readonly answers: readonly AnswerFigures[];
}

export const FUNNEL_WINDOW_MS = 86_400_000;
export const TOP = 10;
const MINUTE_MS = 60_000;
/** Ranges begin and end up to so many minutes inside of the month. */
const shiftsMax = 600;

const FUNNEL_3 = [
  ["page_view", "add_to_cart", "purchase"],
  ["search", "product_view", "add_to_cart"],
  ["product_view", "begin_checkout", "purchase"],
];
const FUNNEL_8 = [
  "page_view",
  "search",
  "click",
  "product_view",
  "add_to_cart",
  "view_cart",
  "begin_checkout",
  "purchase",
];
const COHORT_TYPES = ["signup", "purchase", "login", "page_view", "search"];

/** `each` questions of every kind over [startMs, endMs), in turn; `serial` tells lists apart. */
export function analyticsQuestions(
  startMs: number,
  endMs: number,
  each: number,
  serial: number,
): AnalyticsQuestion[] {
  const questions: AnalyticsQuestion[] = [];
  for (let index = 0; index < each; index++) {
    const nth = serial * each + index;
    const shiftMs = nth * 37 % shiftsMax * MINUTE_MS;
    const range = { startMs: startMs + shiftMs, endMs: endMs - shiftMs };
    for (const kind of QUESTION_KINDS) {
      // Periods of retention are whole weeks, whatever the range: there the type makes the difference.
      const whole = { startMs, endMs };
      questions.push({
        kind,
        types: typesOf(kind, nth),
        ...(kind === "retention" ? whole : range),
      });
    }
  }
  return questions;
}

function typesOf(kind: AnalyticsKind, nth: number): readonly string[] {
  if (kind === "funnel3") return FUNNEL_3[nth % FUNNEL_3.length];
  if (kind === "funnel8") return FUNNEL_8;
  return kind === "retention" ? [COHORT_TYPES[nth % COHORT_TYPES.length]] : [];
}

/** Puts the questions one after the other. `ask` must have read all of the answer when it is done. */
export async function askEach(
  questions: readonly AnalyticsQuestion[],
  ask: (question: AnalyticsQuestion) => Promise<AnswerFigures>,
): Promise<AnalyticsResult> {
  const latenciesMs: number[] = [];
  const answers: AnswerFigures[] = [];
  for (const question of questions) {
    const startedAt = performance.now();
    answers.push(await ask(question));
    latenciesMs.push(performance.now() - startedAt);
  }
  return { latenciesMs, answers };
}

/** Users who reached each step, from how many ended at each level. */
export function stepFigures(byLevel: ReadonlyMap<number, number>, steps: number): AnswerFigures {
  const figures: Record<string, number> = {};
  let reached = 0;
  for (let level = steps; level >= 1; level--) {
    reached += byLevel.get(level) ?? 0;
    figures[`step ${level}`] = reached;
  }
  return figures;
}
