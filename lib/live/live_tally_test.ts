import assert from "node:assert/strict";
import fc from "fast-check";
import { LIVE_STREAM_TYPES_MAX } from "../config/limits.ts";
import { OTHER_TYPES } from "../query/summary.ts";
import { RollupDelta } from "../rollup/rollup_delta.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { decodeLivePartial, encodeLivePartials, type LivePartial } from "./live_partial.ts";
import { LiveTally } from "./live_tally.ts";
import { LiveWindow } from "./live_window.ts";
import { START_BEGUN, START_PART, START_SEEDED } from "./pulse_frames.ts";

const START = 1_700_000_000;
const TYPES = ["click", "view"];
const definition = {
  id: 1,
  project: "shop",
  filter: null,
  want: { kind: "counts", top: null, seed: true },
} as const;

interface Made {
  readonly type: number;
  readonly user: number;
  /** When it was applied, seconds from the start. */
  readonly applied: number;
  /** How long after that it was published, s. */
  readonly delay: number;
}

/** A partial of these events. */
function partialOf(events: readonly Made[], from: number, second: number): LivePartial {
  const delta = new RollupDelta();
  for (const { type, user } of events) {
    delta.cellAt(type, START * 1_000).add(START * 1_000, user + 1, 0, 1, 1, NaN);
  }
  const [bytes] = encodeLivePartials({
    partition: 0,
    fromOffset: from,
    toOffset: from + Math.max(1, events.length),
    publishedAtMs: second * 1_000,
    firstReceivedAtMs: 0,
    lastReceivedAtMs: 0,
    completeUntilMs: second * 1_000,
    deltas: [delta.encode()],
    seriesOf: (series) => ({ project: "shop", type: TYPES[series] }),
  }, 1 << 20);
  return decodeLivePartial(bytes);
}

function countsOf(events: readonly Made[], second: number) {
  const users = new HyperLogLog();
  for (const { user } of events) users.add(user + 1, 0);
  const types = TYPES.map((type, index) =>
    [type, events.filter((each) => each.type === index).length] as const
  );
  return { definition: 1, second, places: [], types, users, top: null };
}

const made = fc.array(
  fc.record({
    type: fc.nat(1),
    user: fc.nat(5),
    applied: fc.integer({ min: -50, max: 20 }),
    delay: fc.integer({ min: 0, max: 3 }),
  }),
  { maxLength: 60 },
);

Deno.test("a window across the start has each event in one second, wherever it lies", () => {
  fc.assert(fc.property(
    made,
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: 70 }),
    fc.option(fc.constantFrom(...TYPES)),
    (events, end, windowSeconds, type) => {
      const published = new LiveWindow(1);
      const eventTypes = type === null ? null : [type];
      const tally = new LiveTally({
        definition,
        eventTypes,
        startSecond: START,
        published,
        shards: 1,
      });
      const isOf = (each: Made) => type === null || TYPES[each.type] === type;
      const before = events.filter((each) => each.applied < 0);
      let offset = 0;
      for (let second = -50; second < 25; second++) {
        const now = before.filter((each) => each.applied + each.delay === second);
        if (now.length === 0) continue;
        published.add(partialOf(now, offset, START + second), (START + second) * 1_000);
        offset += now.length;
      }
      // What was published after the start is known by then as what was not published before.
      const seeded = before.filter((each) => each.applied + each.delay >= 0);
      tally.start(0, START_PART, START, partialOf(seeded, 0, START));
      tally.start(0, START_SEEDED, START, null);
      for (let second = 0; second < end; second++) {
        const now = events.filter((each) => each.applied === second && isOf(each));
        tally.add(countsOf(now, START + second), START + second);
      }
      const window = tally.window(START + end, windowSeconds);
      const placed = events.filter(isOf).filter((each) => {
        const second = each.applied >= 0 ? each.applied : Math.min(-1, each.applied + each.delay);
        return second < end && second >= end - windowSeconds;
      });
      assert.equal(window.events, placed.length);
      const users = window.users.estimate();
      if (windowSeconds <= 60) assert.equal(users, new Set(placed.map(({ user }) => user)).size);
      else assert.ok(users >= new Set(placed.map(({ user }) => user)).size);
      assert.equal(window.knownFromSecond, START + end - windowSeconds);
    },
  ));
});

Deno.test("a window knows nothing of what was before a start that was not told whole", () => {
  const published = new LiveWindow(1);
  published.add(partialOf([{ type: 0, user: 1, applied: 0, delay: 0 }], 0, START - 5), START * 1e3);
  const options = { definition, eventTypes: null, startSecond: START, published, shards: 2 };
  const tally = new LiveTally(options);
  tally.start(0, START_SEEDED, START, null);
  assert.equal(tally.window(START + 1, 60).events, 0);
  assert.equal(tally.window(START + 1, 60).knownFromSecond, START);
  tally.start(1, START_BEGUN, START + 3, null);
  assert.equal(tally.window(START + 9, 60).knownFromSecond, START + 3);
  assert.equal(tally.window(START + 2, 60).knownFromSecond, START + 2);
});

Deno.test("types past the limit are counted as others, and windows with them say so", () => {
  const published = new LiveWindow(1);
  const options = { definition, eventTypes: null, startSecond: START, published, shards: 1 };
  const tally = new LiveTally(options);
  for (let type = 0; type < LIVE_STREAM_TYPES_MAX + 5; type++) {
    const counts = countsOf([], START + type);
    tally.add({ ...counts, types: [[`type ${type}`, 1]] }, START + type);
  }
  const end = START + LIVE_STREAM_TYPES_MAX + 5;
  const whole = tally.window(end, 1_000);
  assert.equal(new Map(whole.byType).get(OTHER_TYPES), 5);
  assert.equal(whole.typesWhole, false);
  assert.equal(tally.window(end + 20, 10).typesWhole, true);
});
