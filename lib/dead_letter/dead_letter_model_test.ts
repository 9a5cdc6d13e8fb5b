/** DeadLetterFile against a plain array: any order of puts, marks and drops, any filter and page. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type DeadLetterReason, type KeptDeadLetter, makeDeadLetter } from "./dead_letter.ts";
import { type DeadLetterFile, openDeadLetterFile } from "./dead_letter_file.ts";
import type { DeadLetterFilter, LetterPlace } from "./letter_search.ts";

const BASE_MS = 1_700_000_000_000;

/** A kept letter and the order it came in. */
type ModelLetter = KeptDeadLetter & { readonly came: number };

// Few values of everything, so that letters meet: the same ids, times and texts.
const project = fc.constantFrom("shop", "blog");
const topic = fc.constantFrom("events", "events-1");
const reason = fc.constantFrom<DeadLetterReason>("invalid_json", "too_long", "poison");
const partition = fc.nat(2);
const time = fc.nat(4).map((ms) => BASE_MS + ms);
const letter = fc.record({
  project,
  topic,
  reason,
  partition,
  offset: fc.nat(6),
  line: fc.nat(1),
  message: fc.constantFrom("odd", "even", "ad"),
  timeMs: time,
  receivedAtMs: time,
  payload: fc.array(fc.constantFrom(0x61, 0x64, 0xff), { maxLength: 4 }).map((bytes) =>
    Uint8Array.from(bytes)
  ),
}).map(makeDeadLetter);
const filter: fc.Arbitrary<DeadLetterFilter> = fc.record({
  project,
  topic,
  reason,
  partition,
  fromMs: time,
  toMs: time,
  text: fc.constantFrom("a", "ad", "odd", ""),
  state: fc.constantFrom("waiting" as const, "replayed" as const),
}, { requiredKeys: [] });
const ids = fc.array(letter.map(({ id }) => id), { maxLength: 6 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: fc.array(letter, { maxLength: 8 }) }) },
  fc.record({ mark: ids, atMs: time }),
  fc.record({ dropIds: ids, project: fc.option(project, { nil: undefined }) }),
  fc.record({ drop: filter }),
  fc.record({ list: filter, limit: fc.integer({ min: 1, max: 5 }) }),
);

/** The same in the simplest way that could be right. */
class Model {
  letters: ModelLetter[] = [];
  #came = 0;

  put(letters: readonly ReturnType<typeof makeDeadLetter>[]): void {
    for (const letter of letters) {
      if (this.letters.some(({ id }) => id === letter.id)) continue;
      this.letters.push({ ...letter, replayedAtMs: null, eventId: null, came: this.#came++ });
    }
  }

  mark(ids: readonly string[], atMs: number): void {
    this.letters = this.letters.map((letter) =>
      ids.includes(letter.id) && letter.replayedAtMs === null
        ? { ...letter, replayedAtMs: atMs, eventId: `event of ${letter.id}` }
        : letter
    );
  }

  /** Drops what matches; gives how many that was. */
  drop(matches: (letter: ModelLetter) => boolean): number {
    const before = this.letters.length;
    this.letters = this.letters.filter((letter) => !matches(letter));
    return before - this.letters.length;
  }

  list(filter: DeadLetterFilter): KeptDeadLetter[] {
    return this.letters.filter((letter) => isMatch(letter, filter))
      .sort((a, b) => b.timeMs - a.timeMs || b.came - a.came)
      .map(({ came: _, ...letter }) => letter);
  }
}

function isMatch(letter: KeptDeadLetter, filter: DeadLetterFilter): boolean {
  const { fromMs = 0, toMs = Infinity, text = "", state, ...equal } = filter;
  // Latin-1 has a character for every byte.
  const payload = String.fromCharCode(...letter.payload);
  return Object.entries(equal).every(([name, value]) => Reflect.get(letter, name) === value) &&
    letter.timeMs >= fromMs && letter.timeMs < toMs &&
    (payload.includes(text) || letter.message.includes(text)) &&
    (state === undefined || (state === "waiting") === (letter.replayedAtMs === null));
}

async function allPages(
  file: DeadLetterFile,
  filter: DeadLetterFilter,
  limit: number,
): Promise<KeptDeadLetter[]> {
  const letters: KeptDeadLetter[] = [];
  for (let after: LetterPlace | null = null;;) {
    const page = await file.page(filter, limit, after);
    assert.ok(page.letters.length === limit || page.next === null, "only the last page is short");
    letters.push(...page.letters);
    if (page.next === null) return letters;
    after = page.next;
  }
}

async function play(step: Step, file: DeadLetterFile, model: Model): Promise<void> {
  if ("put" in step) {
    await file.put(step.put);
    model.put(step.put);
  } else if ("mark" in step) {
    const marks = step.mark.map((id) => ({ id, eventId: `event of ${id}` }));
    await file.markReplayed(marks, step.atMs);
    model.mark(step.mark, step.atMs);
  } else if ("dropIds" in step) {
    const { dropIds, project } = step;
    const expected = model.drop((letter) =>
      dropIds.includes(letter.id) && (project === undefined || letter.project === project)
    );
    assert.equal(await file.dropIds(dropIds, project), expected);
  } else if ("drop" in step) {
    const expected = model.drop((letter) => isMatch(letter, step.drop));
    assert.equal(await file.drop(step.drop), expected);
  } else {
    assert.deepEqual(await allPages(file, step.list, step.limit), model.list(step.list));
  }
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function assertCounted(file: DeadLetterFile, { letters }: Model): Promise<void> {
  const waiting = letters.filter(({ replayedAtMs }) => replayedAtMs === null);
  const totals = await file.totals();
  assert.deepEqual([totals.letters, totals.waiting], [letters.length, waiting.length]);
  assert.ok(letters.length > 0 ? totals.bytes > 0 : totals.bytes === 0);
  for (const each of ["shop", "blog"]) {
    const own = letters.filter(({ project }) => project === each);
    const reasons = [...new Set(own.map(({ reason }) => reason))];
    const expected = reasons.map((reason) => {
      const same = own.filter((letter) => letter.reason === reason);
      const left = same.filter(({ replayedAtMs }) => replayedAtMs === null);
      return { project: each, reason, letters: same.length, waiting: left.length };
    });
    const byReason = (a: { reason: string }, b: { reason: string }) => a.reason < b.reason ? -1 : 1;
    assert.deepEqual((await file.counts(each)).sort(byReason), expected.sort(byReason));
  }
}

Deno.test("DeadLetterFile lists, pages, drops and counts as a plain array does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const folder = Deno.makeTempDirSync();
      const file = await openDeadLetterFile({ folder });
      try {
        const model = new Model();
        for (const step of steps) await play(step, file, model);
        assert.deepEqual(await allPages(file, {}, 3), model.list({}));
        await assertCounted(file, model);
      } finally {
        await file.close();
        Deno.removeSync(folder, { recursive: true });
      }
    }),
    { numRuns: 80 },
  );
});
