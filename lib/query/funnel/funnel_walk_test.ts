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
import { AnyOrderWalk } from "./any_order_walk.ts";
import { InOrderWalks, WalksFull } from "./in_order_walks.ts";

/** Some users' events, and which user's comes next: each user's stay in their order. */
const funnelAndEvents = bruteFunnels.chain((funnel) =>
  fc.tuple(
    fc.constant(funnel),
    fc.array(bruteEvents(funnel.optional.length), { maxLength: 3 }),
    fc.array(fc.nat({ max: 2 }), { maxLength: 30 }),
  )
);

/** What is known of an attempt: by step the time of its event, and the place of the first one. */
interface Found {
  readonly timesMs: readonly (number | null)[];
  readonly begins: number;
}

function planOf(funnel: BruteFunnel) {
  const steps = funnel.optional.map((optional) => ({ optional }));
  return { ...funnel, steps, exclusions: ["one"] };
}

function maskOf(funnel: BruteFunnel, { steps, excluded }: BruteEvent): number {
  const bits = excluded ? [...steps, funnel.optional.length] : steps;
  return bits.reduce((mask, bit) => mask | 1 << bit, 0);
}

/** What brute force says; null = not even the first step. */
function expectedOf(funnel: BruteFunnel, events: readonly BruteEvent[]): Found | null {
  const attempt = bruteAttempt(funnel, events);
  if (attempt === null) return null;
  const timesMs = attempt.map((place) => place < 0 ? null : events[place].timestampMs);
  return { timesMs, begins: attempt[0] };
}

/** Walks the users; in order, all of them at a time, else one after the other. */
function walked(
  funnel: BruteFunnel,
  users: readonly BruteEvent[][],
  turns: readonly number[],
): (Found | null)[] {
  if (funnel.order === "any") return users.map((events) => walkedInAnyOrder(funnel, events));
  const walks = new InOrderWalks(planOf(funnel));
  const numbers = new Map<number, number>();
  for (const { user, place } of mixed(users, turns)) {
    const event = users[user][place];
    if (!numbers.has(user)) numbers.set(user, numbers.size);
    const rows = {
      timestampMs: Float64Array.of(event.timestampMs),
      match: Int32Array.of(maskOf(funnel, event)),
      marks: Int32Array.of(place),
    };
    walks.walk(rows, 0, 1, Int32Array.of(numbers.get(user)!));
  }
  assert.equal(walks.count, numbers.size);
  return users.map((_, user) => {
    const number = numbers.get(user);
    if (number === undefined || walks.level(number) < 0) return null;
    assert.equal(walks.isLate(number), false);
    const times = new Float64Array(funnel.optional.length);
    walks.readTimes(number, times);
    const timesMs = Array.from(times, (ms) => Number.isNaN(ms) ? null : ms);
    assert.equal(walks.level(number), timesMs.findLastIndex((ms) => ms !== null));
    return { timesMs, begins: walks.mark(number) };
  });
}

/** The users' events, taken from whose turn it is. */
function mixed(users: readonly BruteEvent[][], turns: readonly number[]) {
  const next = users.map(() => 0);
  const order: { user: number; place: number }[] = [];
  for (const user of [...turns, ...users.flatMap((events, user) => events.map(() => user))]) {
    if (user < users.length && next[user] < users[user].length) {
      order.push({ user, place: next[user]++ });
    }
  }
  return order;
}

function walkedInAnyOrder(funnel: BruteFunnel, events: readonly BruteEvent[]): Found | null {
  const walk = new AnyOrderWalk(planOf(funnel));
  const times = Float64Array.from(events, ({ timestampMs }) => timestampMs);
  const match = Int32Array.from(events, (event) => maskOf(funnel, event));
  const level = walk.walk(times, match, 0, events.length);
  if (level < 0) return null;
  const rows = [...walk.rows];
  assert.equal(level, levelOf(rows));
  assert.deepEqual(rows, bruteAttempt(funnel, events));
  return { timesMs: rows.map((row) => row < 0 ? null : times[row]), begins: rows[0] };
}

for (const order of ["sequential", "strict", "any"] as const) {
  Deno.test(`walk() finds the attempt that counts when order is ${order}`, () => {
    fc.assert(
      fc.property(
        funnelAndEvents.filter(([funnel]) => funnel.order === order),
        ([funnel, users, turns]) => {
          const expected = users.map((each) => expectedOf(funnel, each));
          assert.deepEqual(walked(funnel, users, turns), expected);
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
  Deno.test(`walk() goes by the definition when ${what}`, () => {
    const asked = { ...FUNNEL, ...funnel };
    assert.deepEqual(bruteAttempt(asked, eventsOf(events)), expected);
    assert.deepEqual(walked(asked, [eventsOf(events)], []), [expectedOf(asked, eventsOf(events))]);
  });
}

Deno.test("isLate() tells the users of whom a row came after a later one", () => {
  const walks = new InOrderWalks(planOf({ ...FUNNEL, optional: [false, false] }));
  const rows = {
    timestampMs: Float64Array.of(5, 5, 5, 4, 6, 9),
    match: Int32Array.of(1, 1, 2, 1, 2, 1),
    marks: null,
  };
  // User 0 has got through when its late row comes; user 1 has equal times only.
  walks.walk(rows, 0, 6, Int32Array.of(0, 1, 0, 0, 1, 0));
  assert.deepEqual([walks.isLate(0), walks.isLate(1)], [true, false]);
  assert.equal(walks.level(1), 1);
});

Deno.test("walk() throws WalksFull when users need more memory than there is", () => {
  const walks = new InOrderWalks(planOf(FUNNEL), 1_000);
  const users = Int32Array.from({ length: 100 }, (_, user) => user);
  const rows = {
    timestampMs: new Float64Array(100),
    match: new Int32Array(100).fill(1),
    marks: null,
  };
  assert.throws(() => walks.walk(rows, 0, 100, users), WalksFull);
  walks.clear();
  walks.walk(rows, 0, 100, null);
  assert.deepEqual([walks.count, walks.level(0)], [1, 0]);
});
