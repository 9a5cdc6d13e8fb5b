import assert from "node:assert/strict";
import fc from "fast-check";
import {
  LIVE_BEHIND_FRAMES_MAX,
  LIVE_DEFINITIONS_MAX,
  LIVE_LATE_MS_MAX,
  LIVE_LINGER_MS,
  LIVE_REPLAY_FRAMES_MAX,
  LIVE_STREAMS_MAX,
  LIVE_TOP_DEFINITIONS_MAX,
} from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { Filter } from "../../lib/query/filter/filter.ts";
import { matchesFilter } from "../../lib/query/filter/match_filter.ts";
import { parseFilter } from "../../lib/query/filter/parse_filter.ts";
import {
  type AppliedNote,
  LiveReading,
  LiveShards,
  type MadeEvent,
  T0_SECOND,
} from "../../tests/support/live_shards.ts";
import type { LiveStreamJson } from "./live_stream_json.ts";
import type { LiveStreamReader, LiveStreamRequest } from "./live_streams.ts";

const ALL: LiveStreamRequest = {
  project: "shop",
  filter: null,
  eventTypes: null,
  isFiltered: false,
  windowSeconds: 1,
  top: null,
  topLimit: 10,
  afterSecond: null,
};

function filtered(list: unknown): Pick<LiveStreamRequest, "filter" | "isFiltered"> {
  const parsed = parseFilter(list, "filter");
  assert.ok(parsed.ok);
  return { filter: parsed.filter, isFiltered: true };
}

function view(id: string, type = "click", properties: MadeEvent["properties"] = {}): MadeEvent {
  return { id, user_id: `user ${id.length}`, event_type: type, properties };
}

function valueOf(frame: LiveStreamJson, name: string): number {
  return frame.metrics.find((metric) => metric.name === name)!.value;
}

function listOf(frame: LiveStreamJson, name: string, label: string): Map<string, number> {
  const listed = frame.metrics.filter((metric) => metric.name === name);
  return new Map(listed.map(({ labels, value }) => [labels[label], value]));
}

/** Opens a stream and lets its first second begin. */
function opened(scene: LiveShards, request: Partial<LiveStreamRequest> = {}): LiveReading {
  const reading = new LiveReading(scene.streams.openWindows({ ...ALL, ...request }));
  scene.nextSecond();
  return reading;
}

const events = fc.record({
  id: fc.integer({ min: 0, max: 60 }).map((id) => `e${id}`),
  user_id: fc.integer({ min: 0, max: 8 }).map((user) => `u${user}`),
  event_type: fc.constantFrom("click", "view", "buy"),
  properties: fc.record({
    page: fc.constantFrom("/", "/a", "/b", 7, true),
    price: fc.integer({ min: 0, max: 9 }),
  }, { requiredKeys: [] }),
});

/** What happens, in its order. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        partition: fc.integer({ min: 0, max: 3 }),
        project: fc.constantFrom("shop", "shop", "shop", "other"),
        events: fc.array(events, { minLength: 1, maxLength: 6 }),
      }),
    },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 2_500 }) },
  ),
  { maxLength: 40 },
);

const requests: readonly Partial<LiveStreamRequest>[] = [
  { windowSeconds: 1 },
  { windowSeconds: 4, top: "page", topLimit: 2 },
  {
    windowSeconds: 3,
    top: "user_id",
    ...filtered([{ property: "page", op: "in", value: ["/a", 7] }]),
  },
  {
    windowSeconds: 70,
    ...filtered([{
      or: [
        { property: "price", op: "gte", value: 5 },
        { property: "type", op: "eq", value: "buy" },
      ],
    }]),
  },
];

function matches(filter: Filter | null, { event }: AppliedNote): boolean {
  return matchesFilter(filter, {
    id: event.id,
    userId: event.user_id,
    sessionId: "",
    type: event.event_type,
    category: 4,
    timestampMs: T0_SECOND * 1_000,
    receivedAtMs: 0,
    source: null,
    amount: null,
    properties: event.properties ?? {},
  });
}

/** Holds a frame against a recount of what was applied. */
function checkFrame(frame: LiveStreamJson, request: LiveStreamRequest, scene: LiveShards): void {
  const end = Date.parse(frame.timestamp) / 1_000;
  const noted = scene.notes.filter((note) =>
    note.second >= end - request.windowSeconds && note.second < end &&
    note.project === request.project && matches(request.filter, note)
  );
  assert.equal(valueOf(frame, "events"), noted.length);
  assert.equal(valueOf(frame, "active_users"), new Set(noted.map((n) => n.event.user_id)).size);
  assert.deepEqual(
    listOf(frame, "events_by_type", "event_type"),
    sorted(counted(noted.map((note) => note.event.event_type))),
  );
  if (request.top === null) return;
  const values = noted.map(({ event }) =>
    request.top === "user_id" ? event.user_id : event.properties?.page
  );
  const given = values.filter((value) => value !== undefined).map(String);
  const top = new Map([...sorted(counted(given))].slice(0, request.topLimit));
  assert.deepEqual(listOf(frame, "top_values", "value"), top);
  assert.equal(frame.top!.events, given.length);
  assert.equal(frame.top!.events_without, values.length - given.length);
  const listed = [...top.values()].reduce((sum, count) => sum + count, 0);
  assert.equal(frame.top!.other_events, given.length - listed);
}

function counted(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function sorted(counts: Map<string, number>): Map<string, number> {
  return new Map([...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
}

Deno.test("LiveStreams' frames are what a recount of the applied events says", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (steps, shards) => {
      const scene = new LiveShards(shards, 4);
      const readings = requests.map((request) => {
        const full = { ...ALL, ...request };
        return { full, reading: new LiveReading(scene.streams.openWindows(full)) };
      });
      scene.nextSecond();
      for (const step of steps) {
        if (typeof step === "number") scene.advance(step);
        else scene.apply(step.partition, step.events, step.project);
        for (const { full, reading } of readings) {
          for (const frame of await reading.frames()) {
            checkFrame(frame, full, scene);
            assert.equal(frame.complete_until, frame.timestamp);
            assert.deepEqual(frame.missing_partitions, []);
          }
        }
      }
      scene.streams.end("over");
      for (const { reading } of readings) await reading.close();
    }),
    { numRuns: 60 },
  );
});

Deno.test("each event is in one window of a second, whatever rings and shards do", async () => {
  const faults = fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("apply" as const),
          partition: fc.integer({ min: 0, max: 3 }),
          events: fc.array(events, { minLength: 1, maxLength: 4 }),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("wait" as const),
          ms: fc.integer({ min: 1, max: 1_500 }),
          isFull: fc.boolean(),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("fail" as const),
          shard: fc.integer({ min: 0, max: 1 }),
          storedShare: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
      },
    ),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(faults, async (faults) => {
      const scene = new LiveShards(2, 4);
      const reading = opened(scene);
      let events = 0;
      for (const fault of faults) {
        if (fault.kind === "apply") scene.apply(fault.partition, fault.events);
        else if (fault.kind === "wait") {
          scene.isFull = () => fault.isFull;
          scene.advance(fault.ms);
        } else {
          // It tells the last it counted, or else all that it had not told is still in the log.
          scene.isFull = () => false;
          scene.replace(fault.shard, fault.storedShare, true);
        }
        for (const frame of await reading.frames()) events += valueOf(frame, "events");
      }
      scene.isFull = () => false;
      scene.advance(3_000);
      for (const frame of await reading.frames()) events += valueOf(frame, "events");
      assert.equal(events, scene.notes.length);
      scene.streams.end("over");
      await reading.close();
    }),
    { numRuns: 100 },
  );
});

Deno.test("a shard that fails untold counts again what is not stored, and tells what is lost", async () => {
  const scene = new LiveShards(1, 1);
  const reading = opened(scene);
  scene.apply(0, [view("a")]);
  scene.nextSecond();
  scene.apply(0, [view("b"), view("c")]);
  scene.apply(0, [view("d")]);
  // All but the last record is stored; b and c were counted and not told.
  scene.replace(0, 0.67, false);
  scene.nextSecond();
  const [first, second] = (await reading.frames()).slice(-2);
  assert.deepEqual([valueOf(first, "events"), valueOf(second, "events")], [1, 1]);
  assert.deepEqual(second.gaps, [{ partition: 0, from_offset: "1", to_offset: "3" }]);
  assert.equal(second.complete, false);
  scene.streams.end("over");
  await reading.close();
});

Deno.test("a frame waits for late shards only so long, and says which partitions it lacks", async () => {
  const scene = new LiveShards(2, 2);
  const reading = opened(scene);
  await reading.updates();
  scene.apply(0, [view("a")]);
  scene.isFull = () => true;
  scene.nextSecond();
  assert.deepEqual(await reading.frames(), []);
  scene.advance(LIVE_LATE_MS_MAX - 1);
  assert.deepEqual(await reading.frames(), []);
  scene.advance(1);
  const [late] = await reading.frames();
  assert.equal(valueOf(late, "events"), 0);
  assert.deepEqual([late.missing_partitions, late.complete], [[0, 1], false]);
  scene.isFull = () => false;
  scene.nextSecond();
  const [next] = await reading.frames();
  assert.equal(valueOf(next, "events"), 1);
  assert.deepEqual([next.missing_partitions, next.complete], [[], true]);
  scene.streams.end("over");
  await reading.close();
});

Deno.test("a slow reader skips to the newest frame and is told how many it missed", async () => {
  const scene = new LiveShards(1, 1);
  const reader = scene.streams.openWindows(ALL);
  for (let second = 0; second < 3; second++) scene.nextSecond();
  // As far as that a reader is given every frame.
  for (let frame = 0; frame < 3; frame++) assert.equal((await reader.next())?.kind, "window");
  const seen = T0_SECOND + 3;
  for (let second = 0; second < LIVE_BEHIND_FRAMES_MAX + 4; second++) scene.nextSecond();
  assert.deepEqual(await reader.next(), {
    kind: "missed",
    missed: LIVE_BEHIND_FRAMES_MAX + 3,
    after: `1s-${seen}`,
  });
  const newest = await reader.next();
  assert.ok(newest?.kind === "window");
  assert.equal(newest.id, `1s-${seen + LIVE_BEHIND_FRAMES_MAX + 4}`);
  scene.streams.end("over");
  assert.equal((await reader.next())?.kind, "end");
  assert.equal(await reader.next(), null);
});

Deno.test("a reader that comes back is given what it missed, as far as that is kept", async () => {
  const scene = new LiveShards(1, 1);
  const first = new LiveReading(scene.streams.openWindows(ALL));
  for (let second = 0; second < 20; second++) scene.nextSecond();
  await first.close();
  for (let second = 0; second < 20; second++) scene.nextSecond();
  const again = new LiveReading(
    scene.streams.openWindows({ ...ALL, afterSecond: T0_SECOND + 10 }),
  );
  scene.nextSecond();
  const ids = (await again.updates()).map((each) => each.kind === "window" ? each.id : each.kind);
  assert.deepEqual(ids, Array.from({ length: 31 }, (_, index) => `1s-${T0_SECOND + 11 + index}`));
  for (let second = 0; second < 40; second++) scene.nextSecond();
  const late = scene.streams.openWindows({ ...ALL, afterSecond: T0_SECOND + 10 });
  const missed = 81 - LIVE_REPLAY_FRAMES_MAX - 10;
  assert.deepEqual(await late.next(), { kind: "missed", missed, after: `1s-${T0_SECOND + 10}` });
  const oldest = await late.next();
  assert.ok(oldest?.kind === "window");
  assert.equal(oldest.id, `1s-${T0_SECOND + 82 - LIVE_REPLAY_FRAMES_MAX}`);
  late.close();
  await again.close();
  scene.streams.end("over");
});

Deno.test("what nobody reads is forgotten after a while, and costs events nothing any more", async () => {
  const scene = new LiveShards(1, 1);
  const reading = opened(scene);
  assert.equal(scene.streams.orders().length, 1);
  await reading.close();
  scene.advance(LIVE_LINGER_MS - 1_000);
  assert.equal(scene.streams.orders().length, 1);
  scene.advance(2_000);
  assert.equal(scene.streams.orders().length, 0);
  assert.equal(scene.streams.open, 0);
  scene.streams.end("over");
});

Deno.test("readers who ask for the same share one definition and one frame", async () => {
  const scene = new LiveShards(1, 1);
  const readers = Array.from({ length: 3 }, () => scene.streams.openWindows(ALL));
  const wider = scene.streams.openWindows({ ...ALL, windowSeconds: 60 });
  assert.equal(scene.streams.orders().length, 1);
  scene.nextSecond();
  const frames = await Promise.all(readers.map((reader) => reader.next()));
  assert.ok(frames.every((frame) => frame === frames[0]));
  const wide = await wider.next();
  assert.ok(wide?.kind === "window");
  assert.equal(wide.answer.window_seconds, 60);
  scene.streams.end("over");
});

Deno.test("openWindows() refuses more streams, filters and tops than there is room for", () => {
  const scene = new LiveShards(1, 1);
  const isTooMany = (error: unknown) => {
    return error instanceof ProblemError && error.code === "too_many_streams";
  };
  const withPage = (page: string) => filtered([{ property: "page", op: "eq", value: page }]);
  const open: LiveStreamReader[] = [];
  for (let top = 0; top < LIVE_TOP_DEFINITIONS_MAX; top++) {
    open.push(scene.streams.openWindows({ ...ALL, top: `p${top}` }));
  }
  assert.throws(() => scene.streams.openWindows({ ...ALL, top: "more" }), isTooMany);
  while (open.length < LIVE_DEFINITIONS_MAX) {
    open.push(scene.streams.openWindows({ ...ALL, ...withPage(`/${open.length}`) }));
  }
  assert.throws(() => scene.streams.openWindows({ ...ALL, ...withPage("/more") }), isTooMany);
  // One that nobody reads any more makes room at once.
  open.pop()!.close();
  open.push(scene.streams.openWindows({ ...ALL, ...withPage("/more") }));
  while (open.length < LIVE_STREAMS_MAX) {
    open.push(scene.streams.openWindows({ ...ALL, top: "p0" }));
  }
  assert.throws(() => scene.streams.openWindows({ ...ALL, top: "p0" }), isTooMany);
  scene.streams.end("over");
});

Deno.test("end() tells every reader why, and lets nobody in any more", async () => {
  const scene = new LiveShards(1, 1);
  const reader = scene.streams.openWindows(ALL);
  const waiting = reader.next();
  scene.streams.end("the server goes");
  const end = { kind: "end", code: "shutting_down", message: "the server goes" };
  assert.deepEqual(await waiting, end);
  assert.equal(await reader.next(), null);
  assert.equal(scene.streams.open, 0);
  assert.throws(
    () => scene.streams.openWindows(ALL),
    (error) => error instanceof ProblemError && error.code === "shutting_down",
  );
});

Deno.test("openTail() gives sampled events, their numbers by the second, and no more than its bound", async () => {
  const scene = new LiveShards(2, 4);
  const tail = { project: "shop", filter: null, sample: 0.5, perSecondMax: 40, afterId: null };
  const reading = new LiveReading(scene.streams.openTail(tail));
  scene.nextSecond();
  await reading.updates();
  const made = Array.from({ length: 400 }, (_, index) => view(`e${index}`, "click", { n: index }));
  made.forEach((event, index) => scene.apply(index % 4, [event]));
  scene.nextSecond();
  const updates = await reading.updates();
  const items = updates.flatMap((each) => each.kind === "events" ? each.items : []);
  assert.equal(items.length, 40);
  const [second] = updates.filter((each) => each.kind === "second");
  // Half of 400, give or take five standard deviations.
  assert.ok(second.sampled > 150 && second.sampled < 250, `${second.sampled} sampled`);
  assert.equal(second.dropped, second.sampled - 40);
  const event = JSON.parse(items[0].text);
  const { id, event_type, properties, type, session_id } = event;
  const source = made.find((each) => each.id === id)!;
  assert.deepEqual([event_type, type], ["EVENT_TYPE_CUSTOM", "click"]);
  assert.deepEqual(properties, { n: String(source.properties!.n) });
  assert.match(session_id, /^[0-9a-f]{16}$/);
  // The same events are drawn whoever asks, and however often.
  assert.equal(new Set(items.map((item) => JSON.parse(item.text).id)).size, 40);
  scene.streams.end("over");
  await reading.close();
});

Deno.test("openTail() gives the events that match alone", async () => {
  const scene = new LiveShards(1, 1);
  const reading = new LiveReading(scene.streams.openTail({
    project: "shop",
    ...filtered([{ property: "page", op: "eq", value: "/a" }]),
    sample: 1,
    perSecondMax: 100,
    afterId: null,
  }));
  scene.apply(0, [view("x", "click", { page: "/a" }), view("y", "click", { page: "/b" })]);
  scene.apply(0, [view("z", "click", { page: "/a" })], "other");
  scene.apply(0, [view("x", "click", { page: "/a" })]);
  scene.nextSecond();
  const updates = await reading.updates();
  const items = updates.flatMap((each) => each.kind === "events" ? each.items : []);
  assert.deepEqual(items.map((item) => JSON.parse(item.text).id), ["x"]);
  scene.streams.end("over");
  await reading.close();
});
