/**
 * The truth suite: random questions about random sets of events, put to platforms of 1, 2 and 8
 * partitions, whose answers must be what a brute-force oracle makes of the events, and equal to one
 * another. At least PAIRS_MIN pairs of a set and a question are held. Time goes into planning one
 * statement for each partition, so the platform of 8 is asked every second question.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { AnswerScene } from "../support/answer_scene.ts";
import { type Asker, sceneAsker } from "../support/truth_case.ts";
import { TRUTH_CASES } from "../support/truth_cases.ts";
import {
  bodyOf,
  type SentBatch,
  storedEvents,
  TRUTH_END_MS,
  TRUTH_SETTINGS,
  type TruthEvent,
  truthSets,
} from "../support/truth_events.ts";

const HOUR_MS = 3_600_000;
const PARTITIONS = [1, 2, 8];
/** Sets of events of each kind of question, and questions about each of them: fewer of costly ones. */
const SETS = 15;
const QUESTIONS = 20;
const QUESTIONS_OF: Readonly<Record<string, number>> = {
  summary: 30,
  series: 30,
  breakdown: 20,
  retention: 14,
  stickiness: 4,
  funnel: 10,
  paths: 20,
  user: 8,
  "user search": 6,
};
const PAIRS_MIN = 2_000;
/** Looking for a smaller set that fails as well ends after this, and what was found is told. */
const kindMsMax = 480_000;
/** Requests of a set come in within this time of each other. */
const setMs = 24 * HOUR_MS;

/** Platforms that get the same events, and an asker for each. */
class Platforms implements AsyncDisposable {
  readonly #scenes: readonly AnswerScene[];
  readonly #askers: readonly Asker[];
  #sets = 0;

  private constructor(scenes: readonly AnswerScene[]) {
    this.#scenes = scenes;
    this.#askers = scenes.map((scene) => sceneAsker(scene, () => this.#project));
  }

  static async open(): Promise<Platforms> {
    const now = () => TRUTH_END_MS + 365 * setMs;
    const processor = TRUTH_SETTINGS;
    return new Platforms(
      await Promise.all(
        PARTITIONS.map((partitions) => AnswerScene.open({ partitions, now, processor })),
      ),
    );
  }

  /** Those that are asked a set's question of this number. */
  askersOf(question: number): readonly Asker[] {
    return question % 2 === 0 ? this.#askers : this.#askers.slice(0, -1);
  }

  /** Each set has a project of its own. */
  get #project(): string {
    return `set-${this.#sets}`;
  }

  /** Sends a set of events to all of them; gives what they must have stored. */
  async send(batches: readonly SentBatch[]): Promise<TruthEvent[]> {
    // Times of arrival never go back, also from one set to the next.
    const startMs = TRUTH_END_MS + ++this.#sets * setMs;
    await Promise.all(this.#scenes.map(async (scene) => {
      let receivedAtMs = startMs;
      for (const batch of batches) {
        receivedAtMs += batch.waitMs;
        const { rejections } = await scene.accept(this.#project, bodyOf(batch), receivedAtMs);
        assert.deepEqual(rejections, []);
      }
      await scene.settle();
    }));
    return storedEvents(batches, startMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const scene of this.#scenes) await scene[Symbol.asyncDispose]();
  }
}

Deno.test("answers are the truth, with 1, 2 and 8 partitions", async (test) => {
  await using platforms = await Platforms.open();
  let pairs = 0;
  for (const truth of TRUTH_CASES) {
    await test.step(truth.kind, async () => {
      const count = QUESTIONS_OF[truth.kind] ?? QUESTIONS;
      const questions = fc.array(truth.questions, { minLength: count, maxLength: count });
      const sets = fc.tuple(truthSets, questions);
      await fc.assert(
        fc.asyncProperty(sets, async ([batches, questions]) => {
          const events = await platforms.send(batches);
          for (const [index, question] of questions.entries()) {
            const answers = await Promise.all(
              platforms.askersOf(index).map((ask) => truth.hold(question, events, ask)),
            );
            for (const answer of answers) assert.deepEqual(answer, answers[0]);
            pairs++;
          }
        }),
        { numRuns: SETS, interruptAfterTimeLimit: kindMsMax, markInterruptAsFailure: true },
      );
    });
  }
  assert.ok(pairs >= PAIRS_MIN, `${pairs} pairs`);
});
