import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bruteAttempt,
  type BruteEvent,
  bruteEvents,
  type BruteFunnel,
  bruteFunnels,
  levelOf,
} from "../../../tests/support/brute_funnel.ts";
import { type FunnelWalk, funnelWalk } from "./funnel_walk.ts";

const funnelAndEvents = bruteFunnels.chain((funnel) =>
  fc.tuple(fc.constant(funnel), fc.array(bruteEvents(funnel.optional.length), { maxLength: 3 }))
);

function walkOf(funnel: BruteFunnel): FunnelWalk {
  const steps = funnel.optional.map((optional) => ({ optional }));
  return funnelWalk({ ...funnel, steps, exclusions: ["one"] });
}

/** Walks some users whose rows lie one after the other; null = not even the first step. */
function walked(funnel: BruteFunnel, users: readonly BruteEvent[][]): (number[] | null)[] {
  const walk = walkOf(funnel);
  const events = users.flat();
  const times = Float64Array.from(events, ({ timestampMs }) => timestampMs);
  const match = Int32Array.from(events, ({ steps, excluded }) => {
    const bits = excluded ? [...steps, funnel.optional.length] : steps;
    return bits.reduce((mask, bit) => mask | 1 << bit, 0);
  });
  let from = 0;
  return users.map((user) => {
    const start = from;
    from += user.length;
    const level = walk.walk(times, match, start, from);
    if (level < 0) return null;
    const rows = [...walk.rows].map((row) => row < 0 ? -1 : row - start);
    assert.equal(level, levelOf(rows));
    return rows;
  });
}

for (const order of ["sequential", "strict", "any"] as const) {
  Deno.test(`funnelWalk() finds the attempt that counts when order is ${order}`, () => {
    fc.assert(
      fc.property(
        funnelAndEvents.filter(([funnel]) => funnel.order === order),
        ([funnel, users]) => {
          assert.deepEqual(walked(funnel, users), users.map((each) => bruteAttempt(funnel, each)));
        },
      ),
      { numRuns: 1_500 },
    );
  });
}

/** Events by their steps' letters: "A1 B2 x3" are step A at 1 ms, B at 2 and an exclusion at 3. */
function eventsOf(text: string): BruteEvent[] {
  return text.split(" ").map((word) => {
    const letters = [...word.replace(/\d+/, "")];
    return {
      timestampMs: Number(word.replace(/\D+/, "")),
      steps: letters.filter((letter) => letter !== "x" && letter !== "-")
        .map((letter) => letter.charCodeAt(0) - 65),
      excluded: letters.includes("x"),
    };
  });
}

const FUNNEL: BruteFunnel = {
  order: "sequential",
  windowMs: 10,
  stepTimeoutMs: Infinity,
  optional: [false, false, false],
};

const CASES: readonly [what: string, Partial<BruteFunnel>, events: string, number[] | null][] = [
  ["an attempt begins again", {}, "A1 B2 A20 B21 C22", [2, 3, 4]],
  ["the window is over", {}, "A1 B2 C12", [0, 1, -1]],
  ["the window is just not over", {}, "A1 B2 C11", [0, 1, 2]],
  ["the step timeout is over", { stepTimeoutMs: 3 }, "A1 B2 C6", [0, 1, -1]],
  ["times are equal", {}, "A1 B1 C1", [0, 1, 2]],
  ["times are equal, the log has it otherwise", {}, "C1 B1 A1", [2, -1, -1]],
  ["one event matches two steps", { optional: [false, false] }, "AB1", [0, -1]],
  ["two events match two steps", { optional: [false, false] }, "AB1 AB2", [0, 1]],
  ["an exclusion comes between", {}, "A1 x2 B3", [0, -1, -1]],
  ["an exclusion comes before and after", {}, "x1 A2 B3 C4 x5", [1, 2, 3]],
  ["the first attempt that gets there is later followed by another", {}, "A1 B2 C3 A4 B5 C6", [
    0,
    1,
    2,
  ]],
  ["other events come between", { order: "strict" }, "A1 -2 B3", [0, -1, -1]],
  ["no other events come between", { order: "strict" }, "-1 A2 B3 C4", [1, 2, 3]],
  ["an optional step is left out", { optional: [false, true, false] }, "A1 C2", [0, -1, 1]],
  ["an optional step is done", { optional: [false, true, false] }, "A1 B2 C3", [0, 1, 2]],
  ["only an optional step is done", { optional: [false, true, false] }, "A1 B2", [0, 1, -1]],
  ["steps come in another order", { order: "any" }, "C1 B2 A3", [2, 1, 0]],
  ["a step is missing in the middle", { order: "any" }, "C1 A3", [1, -1, -1]],
  ["the first step is missing", {}, "B1 C2", null],
];

for (const [what, funnel, events, expected] of CASES) {
  Deno.test(`funnelWalk() goes by the definition when ${what}`, () => {
    const asked = { ...FUNNEL, ...funnel };
    assert.deepEqual(bruteAttempt(asked, eventsOf(events)), expected);
    assert.deepEqual(walked(asked, [eventsOf(events)]), [expected]);
  });
}
