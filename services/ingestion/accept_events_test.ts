import assert from "node:assert/strict";
import fc from "fast-check";
import { EVENTS_PER_BATCH_MAX, EVENTS_PER_V1_BATCH_MAX } from "../../lib/config/limits.ts";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { LogError } from "../../lib/log/event_log.ts";
import { partitionOf } from "../../lib/log/murmur2.ts";
import { NOW_MS, openIngestHandlers, PARTITIONS } from "../../tests/support/ingest_handlers.ts";
import type { AcceptOptions } from "./accept_events.ts";
import { OverloadedError } from "./durable_producer.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const durable: AcceptOptions = { form: "plain", mode: "durable", project: "shop" };

/** A whole event as text. */
function eventText(id: string, userId = "u1", more: Record<string, unknown> = {}): string {
  const event = { id, user_id: userId, event_type: "page_view", timestamp: 1_769_860_000, ...more };
  return JSON.stringify(event);
}

const rejectsWith = (answer: Promise<unknown>, code: string) =>
  assert.rejects(answer, (error) => {
    assert.ok(error instanceof ProblemError, String(error));
    assert.equal(error.code, code);
    return true;
  });

Deno.test("acceptOne() keeps the event's own bytes when it lacks nothing", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const text =
    '{ "id":"e1", "user_id":"u1","event_type":"x","timestamp":1.7e9,"properties":{"a":1} }';
  const plain = text.replace("1.7e9", "1700000000");
  const answer = await acceptor.acceptOne(encode(` ${plain}\r\n`), durable);
  assert.deepEqual(answer, { ok: true, eventId: "e1" });
  const user = encode("u1");
  assert.deepEqual(producer.kept, [{
    partition: partitionOf(user, 0, user.length, PARTITIONS),
    project: "shop",
    receivedAtMs: NOW_MS,
    text: plain,
  }]);
});

Deno.test("acceptOne() writes one line when the event is spread over several", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const text = JSON.stringify(JSON.parse(eventText("e1", "ü1")), null, 2);
  assert.deepEqual(await acceptor.acceptOne(encode(text), durable), { ok: true, eventId: "e1" });
  assert.equal(producer.kept.length, 1);
  assert.equal(producer.events()[0].user_id, "ü1");
});

Deno.test("acceptOne() puts in id and time when they are missing", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const texts = [
    '{"user_id":"u","event_type":"x"}',
    '{"user_id":"u","event_type":"x","id":null,"timestamp":0}',
    '{"user_id":"\\u0075","event_type":"x"}',
  ];
  for (const text of texts) {
    const answer = await acceptor.acceptOne(encode(text), durable);
    assert.ok(answer.ok, text);
    assert.match(answer.eventId, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const event = producer.events().at(-1)!;
    assert.equal(event.id, answer.eventId);
    assert.equal(event.timestamp, NOW_MS);
    assert.equal(event.user_id, "u");
  }
});

Deno.test("acceptOne() answers only when the event is durable, unless mode is async", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const disk = Promise.withResolvers<void>();
  producer.durable = disk.promise;
  let answered = false;
  const answer = acceptor.acceptOne(encode(eventText("e1")), durable).then((value) => {
    answered = true;
    return value;
  });
  const queued = await acceptor.acceptOne(encode(eventText("e2")), { ...durable, mode: "async" });
  assert.deepEqual(queued, { ok: true, eventId: "e2" });
  assert.equal(answered, false);
  disk.resolve();
  assert.deepEqual(await answer, { ok: true, eventId: "e1" });
});

Deno.test("acceptOne() stores nothing when mode is check", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const check = { ...durable, mode: "check" } as const;
  assert.ok((await acceptor.acceptOne(encode(eventText("e1")), check)).ok);
  assert.ok(!(await acceptor.acceptOne(encode("{}"), check)).ok);
  assert.deepEqual(producer.kept, []);
  assert.equal(acceptor.stats.snapshot(NOW_MS).messages_sent, 0);
});

Deno.test("acceptBatch() gives every good event to its user's partition, in order", async () => {
  const text = fc.record({
    user: fc.string({ minLength: 1, unit: "grapheme" }),
    isNdjson: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      async (all, nd) => {
        const { acceptor, producer } = openIngestHandlers();
        const texts = all.map(({ user }, i) => eventText(`e${i}`, user));
        const body = nd ? texts.join("\n") : `{"events":[${texts.join(",")}]}`;
        const answer = await acceptor.acceptBatch(encode(body), nd ? "ndjson" : "json", durable);
        const bad = answer.rejections.map(({ index }) => index);
        assert.equal(answer.accepted + bad.length, all.length);
        const expected = all.map(({ user }, i) => ({ user, id: `e${i}` }))
          .filter((_, i) => !bad.includes(i));
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const ids = producer.kept.filter((line) => line.partition === partition)
            .map((line) => JSON.parse(line.text).id);
          const wanted = expected.filter(({ user }) => {
            const bytes = encode(user);
            return partitionOf(bytes, 0, bytes.length, PARTITIONS) === partition;
          }).map(({ id }) => id);
          assert.deepEqual(ids, wanted);
        }
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("acceptProto() gives every good event to its user's partition, however long", async () => {
  const { message } = loadDefinitions();
  const type = message("analytics.v1.Event");
  const event = fc.record({
    user: fc.constantFrom("", "u1", "u2", "u3", "ü4", 'quo"te'),
    chars: fc.constantFrom(0, 3, 900, 12_000, 40_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 24 }), async (all) => {
      const { acceptor, producer } = openIngestHandlers();
      const messages = all.map(({ user, chars }, i) =>
        Uint8Array.from(type.serialize({
          id: `e${i}`,
          user_id: user,
          event_type: 4,
          timestamp: { seconds: 1_769_860_000, nanos: 0 },
          properties: Object.fromEntries(
            Array.from({ length: Math.ceil(chars / 900) }, (_, key) => [key, "x".repeat(900)]),
          ),
        }))
      );
      const parts = messages.map((bytes) => ({ bytes, events: [0, bytes.length] }));
      const answer = await acceptor.acceptProto(
        parts,
        (bytes) => type.deserialize(Buffer.from(bytes)),
        { mode: "durable", project: "shop", wantsIds: true },
      );
      const isGood = ({ user, chars }: typeof all[number]) => user !== "" && chars < 40_000;
      assert.deepEqual(
        answer.rejections.map(({ index }) => index),
        all.flatMap((each, index) => isGood(each) ? [] : [index]),
      );
      assert.deepEqual(answer.ids, all.map((_, i) => `e${i}`));
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const kept = producer.kept.filter((line) => line.partition === partition)
          .map((line) => JSON.parse(line.text));
        const wanted = all.flatMap((each, i) => {
          const user = encode(each.user);
          const isHere = isGood(each) &&
            partitionOf(user, 0, user.length, PARTITIONS) === partition;
          return isHere ? [{ id: `e${i}`, chars: 900 * Math.ceil(each.chars / 900) }] : [];
        });
        assert.deepEqual(
          kept.map(({ id, properties = {} }) => ({
            id,
            chars: Object.values<string>(properties).join("").length,
          })),
          wanted,
        );
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("acceptBatch() keeps the good ones and names the bad ones by their place", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const lines = [eventText("e0"), "not json", eventText("e2", ""), '{"id":"e3"}', eventText("e4")];
  const answer = await acceptor.acceptBatch(encode(lines.join("\n")), "ndjson", durable);
  assert.equal(answer.accepted, 2);
  assert.deepEqual(
    answer.rejections.map(({ index, id, code, field }) => [index, id, code, field]),
    [
      [1, null, "invalid_json", ""],
      [2, "e2", "empty_field", "user_id"],
      [3, "e3", "missing_field", "user_id"],
    ],
  );
  assert.deepEqual(producer.events().map(({ id }) => id), ["e0", "e4"]);
});

Deno.test("acceptBatch() keeps nothing when the body as a whole is bad", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const good = eventText("e");
  const many = (count: number) => `[${Array(count).fill(good).join(",")}]`;
  const cases: readonly (readonly [string, string])[] = [
    [`[${good},${good}`, "invalid_json"],
    [`[${good},]`, "invalid_json"],
    [`[${good}] x`, "invalid_json"],
    ["", "invalid_json"],
    ["[]", "empty_batch"],
    ['{"events":[]}', "empty_batch"],
    ['{"events":{}}', "wrong_type"],
    ["{}", "missing_field"],
    ["7", "not_an_object"],
    [many(EVENTS_PER_BATCH_MAX + 1), "too_many_events"],
  ];
  for (const [body, code] of cases) {
    await rejectsWith(acceptor.acceptBatch(encode(body), "json", durable), code);
  }
  await rejectsWith(acceptor.acceptBatch(encode(" \n\r\n"), "ndjson", durable), "empty_batch");
  const v1 = { ...durable, form: "v1" } as const;
  const tooMany = encode(many(EVENTS_PER_V1_BATCH_MAX + 1));
  await rejectsWith(acceptor.acceptBatch(tooMany, "json", v1), "too_many_events");
  assert.deepEqual(producer.kept, []);
  const exact = await acceptor.acceptBatch(encode(many(EVENTS_PER_BATCH_MAX)), "json", durable);
  assert.equal(exact.accepted, EVENTS_PER_BATCH_MAX);
});

Deno.test("acceptBatch() fails as a whole when the log takes only a part of it", async () => {
  const lines = Array.from({ length: 40 }, (_, i) => eventText(`e${i}`, `user-${i}`)).join("\n");
  const cases = [
    [new OverloadedError(), "overloaded"],
    [new LogError("RTA_LOG_FULL", "disk full"), "log_unavailable"],
  ] as const;
  for (const mode of ["durable", "async"] as const) {
    for (const [failure, code] of cases) {
      const { acceptor, producer, metrics } = openIngestHandlers();
      producer.failWith = ({ partition }) => partition === 2 ? failure : null;
      const answer = acceptor.acceptBatch(encode(lines), "ndjson", { ...durable, mode });
      await rejectsWith(answer, code);
      const isBusy = `backpressure_active_total ${code === "overloaded" ? 1 : 0}\n`;
      assert.ok((await metrics.text()).includes(isBusy));
      producer.failWith = () => null;
      await acceptor.acceptBatch(encode(lines), "ndjson", { ...durable, mode });
      assert.ok((await metrics.text()).includes("backpressure_active_total 0\n"));
      assert.deepEqual(acceptor.stats.snapshot(NOW_MS).messages_error, 40);
      assert.deepEqual(acceptor.stats.snapshot(NOW_MS).messages_sent, 40);
    }
  }
});

Deno.test("accept refuses with shutting_down once draining has begun", async () => {
  const { acceptor, producer } = openIngestHandlers();
  acceptor.startDraining();
  await rejectsWith(acceptor.acceptOne(encode(eventText("e")), durable), "shutting_down");
  const batch = acceptor.acceptBatch(encode(eventText("e")), "ndjson", durable);
  await rejectsWith(batch, "shutting_down");
  assert.deepEqual(producer.kept, []);
});

Deno.test("accept keeps requests apart when many are under way at once", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const disk = Promise.withResolvers<void>();
  producer.durable = disk.promise;
  const answers = Array.from(
    { length: 50 },
    (_, i) =>
      i % 5 === 0
        ? acceptor.acceptBatch(encode(`${eventText(`b${i}`)}\n{}`), "ndjson", durable)
        : acceptor.acceptOne(encode(eventText(`e${i}`, `user-${i}`)), durable),
  );
  disk.resolve();
  const settled = await Promise.all(answers);
  settled.forEach((answer, i) => {
    if (i % 5 !== 0) assert.deepEqual(answer, { ok: true, eventId: `e${i}` });
    else assert.ok("accepted" in answer && answer.accepted === 1 && answer.rejections.length === 1);
  });
  assert.equal(producer.kept.length, 50);
});

Deno.test("acceptBatch() answers of its own events when others are refused meanwhile", async () => {
  const { acceptor, producer } = openIngestHandlers();
  const disk = Promise.withResolvers<void>();
  producer.durable = disk.promise;
  const good = acceptor.acceptBatch(encode(`[${eventText("e1")}]`), "json", durable);
  const mixed = acceptor.acceptBatch(
    encode(`[${eventText("e2")},${eventText("e3", "")}]`),
    "json",
    durable,
  );
  disk.resolve();
  assert.deepEqual((await good).rejections, []);
  assert.deepEqual((await mixed).rejections.map(({ index }) => index), [1]);
});

Deno.test("accept counts events by type and outcome", async () => {
  const { acceptor, metrics } = openIngestHandlers();
  await acceptor.acceptOne(encode(eventText("e1")), durable);
  await acceptor.acceptOne(encode(eventText("e2", "u", { event_type: "sign\\u0075p" })), durable);
  await acceptor.acceptOne(encode("{}"), durable);
  const batch = [eventText("a"), eventText("b"), eventText("c", "u", { event_type: "buy" }), "{}"];
  await acceptor.acceptBatch(encode(batch.join("\n")), "ndjson", durable);
  const text = await metrics.text();
  const count = (type: string, status: string) =>
    `events_processed_total{service="ingestion",event_type="${type}",status="${status}"}`;
  for (
    const line of [
      `${count("page_view", "success")} 3`,
      `${count("buy", "success")} 1`,
      `${count("unknown", "rejected")} 2`,
      "events_total 5",
      'errors_total{service="ingestion",error_type="missing_field"} 2',
      'event_processing_duration_seconds_count{service="ingestion",event_type="batch"} 1',
      'event_processing_duration_seconds_count{service="ingestion",event_type="page_view"} 1',
    ]
  ) assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
  const stats = acceptor.stats.snapshot(NOW_MS);
  assert.deepEqual([stats.messages_sent, stats.messages_error], [5, 2]);
});
