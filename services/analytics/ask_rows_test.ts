import assert from "node:assert/strict";
import { NOTES_KEYS_MAX } from "../../lib/config/limits.ts";
import type { RowQuestion } from "../../lib/query/row_question.ts";
import { withDeadline } from "../../tests/support/deadline.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { askRows, notesOnKeys, withPatience } from "./ask_rows.ts";

const NEVER = new AbortController().signal;

/** Work that ends with the signal only. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Ports whose rows know these property keys. */
function portsThatKnow(known: readonly string[]): AnalyticsPorts & { asked: RowQuestion[] } {
  const asked: RowQuestion[] = [];
  const ports = {
    now: () => 0,
    asked,
    askShards: () => Promise.reject(new Error("not asked here")),
    askUser: () => Promise.reject(new Error("not asked here")),
    askRows: (question: RowQuestion) => {
      asked.push(question);
      assert(question.kind === "known_keys");
      const partial = question.keys.filter((key) => known.includes(key));
      const answers = [
        { partition: 0, partial, completeUntilMs: 7 },
        { partition: 1, partial: [], completeUntilMs: 5 },
      ];
      return Promise.resolve({ answers, missing: [2] });
    },
  };
  return ports as unknown as AnalyticsPorts & { asked: RowQuestion[] };
}

Deno.test("withPatience() gives what the work gives, and lets its timer go", async () => {
  assert.equal(await withPatience({ timeoutMs: null, gone: null }, () => Promise.resolve(5)), 5);
  const failing = withPatience({ timeoutMs: 1_000, gone: NEVER }, () => {
    return Promise.reject(new Error("no"));
  });
  await assert.rejects(failing, /^Error: no$/);
});

Deno.test("withPatience() ends the work with deadline_exceeded when the time is over", async () => {
  const work = withPatience({ timeoutMs: 20, gone: null }, untilAborted);
  await assert.rejects(withDeadline(work, { what: "the deadline" }), {
    code: "deadline_exceeded",
    message: /no answer within 0.02 s; .* timeout_seconds/,
  });
});

Deno.test("withPatience() ends the work when the client goes, or has gone before", async () => {
  const client = new AbortController();
  const work = withPatience({ timeoutMs: null, gone: client.signal }, untilAborted);
  client.abort();
  await assert.rejects(work, { code: "deadline_exceeded", message: /client has gone/ });
  const late = withPatience({ timeoutMs: null, gone: client.signal }, (signal) => {
    signal.throwIfAborted();
    return Promise.resolve();
  });
  await assert.rejects(late, { code: "deadline_exceeded" });
});

Deno.test("askRows() tells the mark of the partition furthest behind", async () => {
  const question = {
    kind: "known_keys",
    project: "shop",
    fromMs: 0,
    toMs: 1,
    keys: ["a"],
  } as const;
  assert.deepEqual(await askRows(question, portsThatKnow(["a"]), NEVER), {
    partials: [["a"], []],
    missing: [2],
    completeUntilMs: 5,
  });
});

Deno.test("notesOnKeys() names the properties that no event has, each once", async () => {
  const range = { project: "shop", startMs: 3, endMs: 9 };
  const ports = portsThatKnow(["country"]);
  const notes = await notesOnKeys(["cuontry", "country", "cuontry", 'a"b'], range, ports, NEVER);
  assert.deepEqual(notes, [
    'no event in the range has the property "cuontry"',
    'no event in the range has the property "a\\"b"',
  ]);
  assert.deepEqual(ports.asked, [{
    kind: "known_keys",
    project: "shop",
    fromMs: 3,
    toMs: 9,
    keys: ["cuontry", "country", 'a"b'],
  }]);
  assert.deepEqual(await notesOnKeys([], range, ports, NEVER), []);
  const many = Array.from({ length: 2 * NOTES_KEYS_MAX }, (_, i) => `key-${i}`);
  assert.equal((await notesOnKeys(many, range, ports, NEVER)).length, NOTES_KEYS_MAX);
});
