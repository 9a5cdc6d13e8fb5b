import assert from "node:assert/strict";
import fc from "fast-check";
import { LIVE_PROJECTS_MAX, LIVE_SILENT_MS, LIVE_TYPES_MAX } from "../config/limits.ts";
import { OTHER_TYPES } from "../query/summary.ts";
import { hash64 } from "../sketch/hash64.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import type { LivePartial, LiveSeriesChange } from "./live_partial.ts";
import { LiveWindow } from "./live_window.ts";

const SECOND_MS = 1_000;
const T0 = 1_700_000_000_000;
const PARTITIONS = 3;

interface PlainEvent {
  readonly project: string;
  readonly type: string;
  readonly user: number;
}

/** A frame, what it counts, and when it gets here. */
interface Sent {
  readonly partial: LivePartial;
  readonly events: readonly PlainEvent[];
  readonly arrivesAtMs: number;
}

const hash = new Uint32Array(2);

/** A frame of these events. */
function frameOf(
  head: Pick<LivePartial, "partition" | "fromOffset" | "toOffset" | "publishedAtMs">,
  events: readonly PlainEvent[],
  part = 0,
  parts = 1,
): LivePartial {
  const series = new Map<string, LiveSeriesChange>();
  for (const { project, type, user } of events) {
    const name = `${project}/${type}`;
    // Ids are a partition's own: not the same number in each.
    const id = head.partition + series.size;
    const change = series.get(name) ?? { id, project, type, events: 0, users: new HyperLogLog() };
    series.set(name, change);
    hash64(new Uint8Array(Int32Array.of(user).buffer), 0, 4, 1, hash);
    change.users.add(hash[0], hash[1]);
    change.events++;
  }
  return {
    version: 1,
    firstReceivedAtMs: 0,
    lastReceivedAtMs: 0,
    completeUntilMs: head.publishedAtMs - 400,
    ...head,
    part,
    parts,
    series: [...series.values()],
    deltas: [],
  };
}

const plainEvent: fc.Arbitrary<PlainEvent> = fc.record({
  project: fc.constantFrom("shop", "blog"),
  type: fc.constantFrom("view", "buy", "click"),
  user: fc.nat(40),
});

/** One partition's partials: offsets without a break, times that go on. */
const partitionFrames = (partition: number): fc.Arbitrary<Sent[]> =>
  fc.record({
    start: fc.constantFrom(0, 5000),
    partials: fc.array(
      fc.record({
        // Often a second or so; now and then many minutes, so that a run reaches over hours.
        pauseMs: fc.oneof(
          { weight: 6, arbitrary: fc.integer({ min: 1, max: 8_000 }) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 2_000_000 }) },
        ),
        // One list of events for each of its frames; none = an empty partial.
        parts: fc.array(fc.array(plainEvent, { maxLength: 6 }), { maxLength: 3 }),
        lostPart: fc.integer({ min: -12, max: 2 }),
        delaysMs: fc.array(
          fc.oneof({ weight: 8, arbitrary: fc.nat(900) }, { weight: 1, arbitrary: fc.nat(90_000) }),
          { minLength: 1, maxLength: 4 },
        ),
      }),
      { minLength: 1, maxLength: 25 },
    ),
  }).map(({ start, partials }) => {
    let fromOffset: number = start;
    let publishedAtMs = T0;
    return partials.flatMap(({ pauseMs, parts, lostPart, delaysMs }) => {
      publishedAtMs += pauseMs;
      const toOffset = fromOffset + 10 * parts.length;
      const head = { partition, fromOffset, toOffset, publishedAtMs };
      fromOffset = toOffset;
      const frames = parts.length === 0
        ? [{ partial: frameOf(head, []), events: [] }]
        : parts.map((events, part) => (
          { partial: frameOf(head, events, part, parts.length), events }
        ));
      return frames.filter((_, part) => part !== lostPart).flatMap((frame) =>
        delaysMs.map((delayMs) => ({ ...frame, arrivesAtMs: head.publishedAtMs + delayMs }))
      );
    });
  });

/** The answer counted by hand from what has come. */
function bruteAnswer(
  arrived: readonly Sent[],
  question: Parameters<LiveWindow["answer"]>[0],
) {
  const { project, windowSeconds, eventTypes, nowMs } = question;
  const second = Math.floor(nowMs / SECOND_MS);
  const width = windowSeconds <= 60 ? 1 : windowSeconds <= 600 ? 10 : 60;
  const usersFrom = Math.floor((second - windowSeconds) / width) * width;
  const frames = new Map(arrived.map((each) => {
    const { partition, fromOffset, toOffset, part, publishedAtMs } = each.partial;
    return [`${partition} ${fromOffset} ${toOffset} ${part} ${publishedAtMs}`, each];
  }));
  const types = new Map<string, number>();
  const users = new Set<number>();
  for (const { partial, events } of frames.values()) {
    const at = Math.floor(partial.publishedAtMs / SECOND_MS);
    for (const event of events) {
      const isWanted = event.project === project &&
        (eventTypes === null || eventTypes.includes(event.type));
      if (!isWanted) continue;
      if (at >= second - windowSeconds) types.set(event.type, (types.get(event.type) ?? 0) + 1);
      if (at >= usersFrom) users.add(event.user);
    }
  }
  const sum = [...types.values()].reduce((total, count) => total + count, 0);
  return {
    windowStartMs: (second - windowSeconds) * SECOND_MS,
    events: sum,
    eventsPerSecond: sum / (windowSeconds + (nowMs - second * SECOND_MS) / SECOND_MS),
    byType: new Map(types),
    users: users.size,
    usersFrom,
    ...bruteQuality([...frames.values()], nowMs, (second - windowSeconds) * SECOND_MS),
  };
}

function bruteQuality(frames: readonly Sent[], nowMs: number, startMs: number) {
  const missing: number[] = [];
  const gaps: { partition: number; fromOffset: number; toOffset: number }[] = [];
  let knownSinceMs = 0;
  let newestPartialMs = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const mine = frames.map(({ partial }) => partial).filter((each) =>
      each.partition === partition
    );
    const newestMs = Math.max(0, ...mine.map(({ publishedAtMs }) => publishedAtMs));
    newestPartialMs = Math.max(newestPartialMs, newestMs);
    if (nowMs - newestMs > LIVE_SILENT_MS) missing.push(partition);
    const whole = mine
      .filter(({ fromOffset, parts }) =>
        parts === 1 || mine.filter((each) => each.fromOffset === fromOffset && each.parts === parts)
            .length === parts
      )
      .sort((a, b) =>
        a.fromOffset - b.fromOffset || a.toOffset - b.toOffset || a.publishedAtMs - b.publishedAtMs
      );
    const first = whole[0];
    if (first !== undefined && first.fromOffset > 0) {
      knownSinceMs = Math.max(knownSinceMs, first.publishedAtMs);
    } else if (first === undefined && mine.length > 0) knownSinceMs = nowMs;
    for (let i = 1; i < whole.length; i++) {
      const [{ toOffset: from }, { fromOffset: to, publishedAtMs }] = [whole[i - 1], whole[i]];
      if (to > from && publishedAtMs >= startMs) {
        gaps.push({ partition, fromOffset: from, toOffset: to });
      }
    }
  }
  if (knownSinceMs <= startMs) knownSinceMs = 0;
  return { missing, gaps, knownSinceMs, newestPartialMs };
}

Deno.test("LiveWindow.answer() equals a count by hand, in any order and with repetitions", () => {
  const question = fc.record({
    afterFrame: fc.nat(400),
    waitMs: fc.nat(20_000),
    project: fc.constantFrom("shop", "blog", "none"),
    windowSeconds: fc.oneof(fc.integer({ min: 1, max: 3600 }), fc.constantFrom(1, 60, 61, 600)),
    eventTypes: fc.constantFrom(null, ["buy"], ["view", "click", "view"], ["none"]),
  });
  fc.assert(
    fc.property(
      fc.tuple(...[0, 1, 2].map(partitionFrames)),
      fc.array(question, { minLength: 1, maxLength: 12 }),
      (partitions, questions) => {
        const sent = partitions.flat().sort((a, b) => a.arrivesAtMs - b.arrivesAtMs);
        const window = new LiveWindow(PARTITIONS);
        // Time goes on from question to question.
        questions.sort((a, b) => a.waitMs - b.waitMs);
        for (const [index, { partial, arrivesAtMs }] of sent.entries()) {
          window.add(partial, arrivesAtMs);
          for (const { afterFrame, waitMs, ...asked } of questions) {
            if (afterFrame % sent.length !== index) continue;
            const next = sent[index + 1]?.arrivesAtMs ?? Infinity;
            const nowMs = Math.min(arrivesAtMs + waitMs, next);
            const answer = window.answer({ ...asked, nowMs });
            const expected = bruteAnswer(sent.slice(0, index + 1), { ...asked, nowMs });
            const { missing, gaps, knownSinceMs } = answer.lack;
            assert.deepEqual({
              windowStartMs: answer.windowStartMs,
              events: answer.events,
              byType: new Map(answer.byType),
              users: answer.users.count,
              usersFrom: answer.users.fromSecond,
              missing,
              gaps,
              knownSinceMs,
              newestPartialMs: answer.newestPartialMs,
              eventsPerSecond: expected.eventsPerSecond,
            }, expected);
            assert.ok(Math.abs(answer.eventsPerSecond - expected.eventsPerSecond) < 1e-9);
            assert.deepEqual([answer.users.exact, answer.users.whole], [true, true]);
          }
        }
        const { taken, repeated, crossing, stale } = window.counts;
        assert.deepEqual([taken + repeated + stale, crossing], [sent.length, 0]);
      },
    ),
    { numRuns: 300 },
  );
});

const view = (user: number): PlainEvent => ({ project: "shop", type: "view", user });
const ASKED = { project: "shop", windowSeconds: 60, eventTypes: null } as const;

/** A window with one partition that is known from offset 0 on. */
function openWindow(events: readonly PlainEvent[] = []): LiveWindow {
  const window = new LiveWindow(1);
  const head = { partition: 0, fromOffset: 0, toOffset: 10, publishedAtMs: T0 };
  window.add(frameOf(head, events), T0);
  return window;
}

Deno.test("LiveWindow.answer() is complete when nothing lacks, and says what does", () => {
  const window = openWindow([view(1), view(1), view(2)]);
  const whole = window.answer({ ...ASKED, nowMs: T0 + 500 });
  assert.equal(whole.complete, true);
  assert.deepEqual([whole.events, whole.users.count, whole.completeUntilMs], [3, 2, T0 - 400]);
  assert.deepEqual([whole.partitions, whole.newestPartialMs], [[0], T0]);

  const silent = window.answer({ ...ASKED, nowMs: T0 + LIVE_SILENT_MS + 1 });
  assert.deepEqual([silent.complete, silent.lack.missing], [false, [0]]);

  // It goes on publishing, of what arrived long ago.
  const publishedAtMs = T0 + 2 * LIVE_SILENT_MS;
  const behind = frameOf({ partition: 0, fromOffset: 10, toOffset: 20, publishedAtMs }, []);
  window.add({ ...behind, completeUntilMs: T0 - 300 }, publishedAtMs);
  const late = window.answer({ ...ASKED, nowMs: publishedAtMs });
  assert.deepEqual([late.complete, late.lack.missing, late.lack.behind], [false, [], [0]]);
  assert.equal(late.completeUntilMs, T0 - 300);

  window.setPartitions(2);
  const two = window.answer({ ...ASKED, nowMs: publishedAtMs });
  assert.deepEqual([two.lack.missing, two.completeUntilMs], [[1], 0]);
});

Deno.test("LiveWindow.add() does not believe a publisher's clock that is ahead", () => {
  const window = openWindow();
  const ahead = { partition: 0, fromOffset: 10, toOffset: 20, publishedAtMs: T0 + 3_600_000 };
  assert.equal(window.add(frameOf(ahead, [view(1)]), T0 + 100), "taken");
  assert.equal(window.answer({ ...ASKED, windowSeconds: 1, nowMs: T0 + 200 }).events, 1);
  const later = window.answer({ ...ASKED, nowMs: T0 + 100_000 });
  assert.deepEqual([later.events, later.lack.missing], [0, [0]]);
});

Deno.test("LiveWindow.add() notes the offsets of a stale frame, and does not count it", () => {
  const window = new LiveWindow(1);
  const nowMs = T0 + 3_601 * SECOND_MS;
  const old = { partition: 0, fromOffset: 70, toOffset: 80, publishedAtMs: T0 };
  const newer = { partition: 0, fromOffset: 80, toOffset: 90, publishedAtMs: nowMs };
  assert.equal(window.add(frameOf(old, [view(1)]), nowMs), "stale");
  assert.equal(window.add(frameOf(newer, [view(2)]), nowMs), "taken");
  assert.equal(window.add(frameOf(old, [view(1)]), nowMs), "repeated");
  const answer = window.answer({ ...ASKED, windowSeconds: 3600, nowMs });
  assert.deepEqual([answer.events, answer.lack.knownSinceMs, answer.lack.gaps], [1, 0, []]);
  const young = { ...old, partition: 1, publishedAtMs: T0 + SECOND_MS };
  assert.equal(window.add(frameOf(young, [view(3)]), nowMs), "taken", "the window's first second");
});

Deno.test("LiveWindow counts types past the limit as (other), and frees them after an hour", () => {
  const window = new LiveWindow(1);
  const types = Array.from({ length: LIVE_TYPES_MAX + 5 }, (_, i) => `type-${i}`);
  const events = types.map((type, user) => ({ project: "shop", type, user }));
  const send = (fromOffset: number, publishedAtMs: number, sent: readonly PlainEvent[]) =>
    window.add(
      frameOf({ partition: 0, fromOffset, toOffset: fromOffset + 1, publishedAtMs }, sent),
      publishedAtMs,
    );
  send(0, T0, events);
  const answer = window.answer({ ...ASKED, nowMs: T0 });
  assert.equal(answer.events, types.length);
  assert.deepEqual(answer.byType[0], [OTHER_TYPES, 5]);
  const last = types[types.length - 1];
  const asked = window.answer({ ...ASKED, eventTypes: [last], nowMs: T0 });
  assert.deepEqual([asked.events, asked.typesWhole], [0, false]);
  const later = T0 + 2 * 3_600_000;
  send(1, later, []);
  send(2, later, events.slice(-2));
  const now = window.answer({ ...ASKED, eventTypes: types.slice(-2), nowMs: later });
  assert.deepEqual([now.events, now.typesWhole], [2, true]);
});

Deno.test("LiveWindow leaves out projects past the limit, and says so of them alone", () => {
  const projects = Array.from({ length: LIVE_PROJECTS_MAX + 1 }, (_, i) => `project-${i}`);
  const window = openWindow(projects.map((project) => ({ project, type: "view", user: 1 })));
  const ask = (project: string) => window.answer({ ...ASKED, project, nowMs: T0 });
  assert.deepEqual([ask("project-0").events, ask("project-0").complete], [1, true]);
  const out = ask(projects[LIVE_PROJECTS_MAX]);
  assert.deepEqual([out.events, out.complete, out.lack.projectsLeftOut], [0, false, true]);

  const publishedAtMs = T0 + 2 * 3_600_000;
  const head = { partition: 0, fromOffset: 10, toOffset: 20, publishedAtMs };
  const event = { project: projects[LIVE_PROJECTS_MAX], type: "view", user: 1 };
  window.add(frameOf(head, [event]), publishedAtMs);
  const room = window.answer({ ...ASKED, project: event.project, nowMs: publishedAtMs });
  assert.equal(room.events, 1, "the others had no events for an hour");
});

Deno.test("LiveWindow.answer() throws on a window that is not kept", () => {
  for (const windowSeconds of [0, 3601, 1.5, NaN]) {
    assert.throws(() => openWindow().answer({ ...ASKED, windowSeconds, nowMs: T0 }), RangeError);
  }
});
