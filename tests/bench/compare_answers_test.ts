import assert from "node:assert/strict";
import { analyticsQuestions, QUESTION_KINDS, stepFigures } from "./analytics_questions.ts";
import { compareAnswers } from "./compare_answers.ts";

const DAY_MS = 86_400_000;
const questions = analyticsQuestions(0, 30 * DAY_MS, 1, 0);
const [funnel] = questions;
const users = questions.find(({ kind }) => kind === "users_by_country")!;

Deno.test("compareAnswers() counts equal figures and throws at the first other one", () => {
  const ours = { questions, answers: questions.map(() => ({ "step 1": 5, "step 2": 3 })) };
  const theirs = (figures: Record<string, number>) => ({ questions: [funnel], answers: [figures] });
  assert.equal(compareAnswers(ours, theirs({ "step 1": 5, "step 2": 3 }), "peer"), 2);
  const wrong: Record<string, number>[] = [
    { "step 1": 5, "step 2": 4 },
    { "step 1": 5 },
    { "step 3": 1 },
  ];
  for (const figures of wrong) {
    assert.throws(() => compareAnswers(ours, theirs(figures), "peer"), /in peer$/);
  }
});

Deno.test("compareAnswers() takes a missing figure for none", () => {
  const ours = { questions: [funnel], answers: [{ "step 1": 5, "step 2": 0 }] };
  const theirs = { questions: [funnel], answers: [{ "step 1": 5 }] };
  assert.equal(compareAnswers(ours, theirs, "peer"), 2);
});

Deno.test("compareAnswers() allows estimates of users their error, and no more", () => {
  const ours = (figure: number) => ({ questions: [users], answers: [{ DE: figure, FR: 1 }] });
  const theirs = { questions: [users], answers: [{ DE: 10_000, US: 3 }] };
  assert.equal(compareAnswers(ours(10_300), theirs, "peer"), 1);
  assert.throws(() => compareAnswers(ours(10_400), theirs, "peer"));
});

Deno.test("analyticsQuestions() asks nothing twice in a bench of usual size", () => {
  const all = Array.from({ length: 5 }, (_, run) => analyticsQuestions(0, 30 * DAY_MS, 6, run))
    .flat();
  for (const kind of QUESTION_KINDS) {
    const asked = all.filter((question) => question.kind === kind).map((each) =>
      JSON.stringify(each)
    );
    // Retention is always about whole weeks, so only its types differ.
    assert.equal(new Set(asked).size, kind === "retention" ? 5 : asked.length, kind);
  }
});

Deno.test("stepFigures() counts those who got further among those who reached a step", () => {
  const byLevel = new Map([[0, 9], [1, 4], [3, 2]]);
  assert.deepEqual(stepFigures(byLevel, 3), { "step 1": 6, "step 2": 2, "step 3": 2 });
});
