/** The producer against a writer that the test plays itself; with the real one: durable_append_test.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  AppendHeader,
  encodeAck,
  encodeNack,
  FRAME_ACK,
  FRAME_NACK,
  readAppendHeader,
} from "../../lib/log/append_frames.ts";
import { LogError } from "../../lib/log/event_log.ts";
import { LineRanges } from "../../lib/log/line_ranges.ts";
import { createRing, RingReader, RingWriter } from "../../lib/ring/ring.ts";
import { withDeadline } from "../../tests/support/deadline.ts";
import { type AppendPart, DurableProducer, OverloadedError } from "./durable_producer.ts";

const PARTITIONS = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Frame {
  readonly sequence: number;
  readonly partition: number;
  readonly project: string;
  readonly events: number;
  readonly receivedAtMs: number;
  readonly lines: string;
}

/** Both ends: the producer, and what the writer would see and answer. */
class Played {
  readonly producer: DurableProducer;
  readonly lost: [number, string][] = [];
  readonly #ring: RingReader;
  readonly #acks: RingWriter;

  constructor(ringBytes = 1 << 16, firstSequence = 0) {
    const [ring, acks] = [createRing(ringBytes), createRing(1 << 12)];
    this.#ring = new RingReader(ring);
    this.#acks = new RingWriter(acks);
    const onLost = (events: number, failure: LogError) => this.lost.push([events, failure.code]);
    this.producer = new DurableProducer({
      ring,
      acks,
      partitions: PARTITIONS,
      firstSequence,
      onLost,
    });
  }

  take(): Frame | null {
    if (!this.#ring.peek()) return null;
    const payload = this.#ring.view.slice();
    this.#ring.release();
    const { originStart, originEnd, ...header } = readHeader(payload);
    return {
      ...header,
      project: decoder.decode(payload.subarray(originStart, originEnd)),
      lines: decoder.decode(payload.subarray(originEnd)),
    };
  }

  takeAll(): Frame[] {
    const frames: Frame[] = [];
    for (let frame = this.take(); frame !== null; frame = this.take()) frames.push(frame);
    return frames;
  }

  ack(through: number): void {
    assert.ok(this.#acks.tryWrite(FRAME_ACK, encodeAck(through)));
  }

  nack(from: number, through: number, code = "RTA_LOG_FULL"): void {
    assert.ok(this.#acks.tryWrite(FRAME_NACK, encodeNack(from, through, code)));
  }
}

function readHeader(payload: Uint8Array): AppendHeader {
  const header = new AppendHeader();
  readAppendHeader(payload, header);
  return header;
}

function part(partition: number, texts: readonly string[], project = "p"): AppendPart {
  const lines = new LineRanges();
  for (const text of texts) {
    const bytes = encoder.encode(text);
    lines.add(bytes, 0, bytes.length);
  }
  return { partition, project, receivedAtMs: 1_700_000_000_000, lines };
}

/** What became of an append: "durable", or the code of its failure. */
function outcome(append: Promise<void>): Promise<string> {
  const settled = append.then(() => "durable", (error) => error.code as string);
  return withDeadline(settled, { what: "the answer to an append" });
}

Deno.test("append() writes one frame of the lines and resolves when it is acknowledged", async () => {
  const played = new Played();
  const append = played.producer.append(part(3, ["a", "bc"], "shöp"));
  assert.deepEqual(played.takeAll(), [{
    sequence: 0,
    partition: 3,
    project: "shöp",
    events: 2,
    receivedAtMs: 1_700_000_000_000,
    lines: "a\nbc\n",
  }]);
  assert.deepEqual([played.producer.inFlight, played.producer.inFlightBytes], [1, 5]);
  played.ack(0);
  assert.equal(await outcome(append), "durable");
  assert.deepEqual([played.producer.inFlight, played.producer.inFlightBytes], [0, 0]);
  played.producer.close();
});

Deno.test("append() rejects with the writer's code when the commit failed", async () => {
  const played = new Played();
  const appends = [0, 1, 2].map((p) => outcome(played.producer.append(part(p, ["x"]))));
  played.ack(0);
  played.nack(1, 1);
  played.ack(2);
  assert.deepEqual(await Promise.all(appends), ["durable", "RTA_LOG_FULL", "durable"]);
  played.producer.close();
});

Deno.test("append() splits a part that is longer than a frame and waits for all of it", async () => {
  const played = new Played(1 << 12);
  const texts = Array.from({ length: 30 }, (_, i) => `${i}`.padEnd(99));
  const whole = outcome(played.producer.append(part(1, texts)));
  const frames = played.takeAll();
  assert.equal(frames.length, 2);
  assert.equal(frames.map((frame) => frame.lines).join(""), texts.map((t) => `${t}\n`).join(""));
  assert.equal(frames[0].events + frames[1].events, 30);
  played.ack(0);
  played.nack(1, 1);
  assert.equal(await whole, "RTA_LOG_FULL");
  played.producer.close();
});

Deno.test("append() is overloaded at once and takes nothing when the ring is full", async () => {
  const played = new Played(1 << 12);
  const texts = ["x".repeat(1000)];
  const appends = [0, 1, 2].map((p) => outcome(played.producer.append(part(p, texts))));
  const refused = played.producer.append(part(0, texts));
  await assert.rejects(refused, (error) => {
    return error instanceof OverloadedError && error.retryAfterSeconds === 1;
  });
  assert.throws(() => played.producer.tryEnqueue(part(0, texts)), OverloadedError);
  assert.equal(played.takeAll().length, 3);
  const next = outcome(played.producer.append(part(0, texts)));
  assert.equal(played.take()?.sequence, 3);
  played.ack(3);
  assert.deepEqual(await Promise.all([...appends, next]), new Array(4).fill("durable"));
  played.producer.close();
});

Deno.test("appendAll() tells for every part what became of it when some fail", async () => {
  const played = new Played();
  const parts = [part(0, ["a"]), part(1, ["b"]), part(2, ["c"])];
  const outcomes = played.producer.appendAll(parts);
  assert.deepEqual(played.takeAll().map((frame) => frame.lines), ["a\n", "b\n", "c\n"]);
  played.ack(0);
  played.nack(1, 1, "RTA_LOG_UNAVAILABLE");
  played.ack(2);
  const codes = (await outcomes).map((failure) => failure?.code ?? null);
  assert.deepEqual(codes, [null, "RTA_LOG_UNAVAILABLE", null]);
  played.producer.close();
});

Deno.test("appendAll() keeps the parts before when room runs out midway", async () => {
  const played = new Played(1 << 12);
  // In the middle of the ring, so that a frame has to leave the rest before the end unused.
  const before = outcome(played.producer.append(part(0, ["x".repeat(600)])));
  const text = "x".repeat(1200);
  played.takeAll();
  const parts = [part(0, [text]), part(1, [text]), part(2, [text])];
  const outcomes = played.producer.appendAll(parts);
  assert.equal(played.takeAll().length, 2);
  played.ack(2);
  const codes = (await outcomes).map((failure) => failure?.code ?? null);
  assert.deepEqual(codes, [null, null, "overloaded"]);
  assert.equal(await before, "durable");
  played.producer.close();
});

Deno.test("tryEnqueue() reports lines that were not made durable after all", async () => {
  const played = new Played();
  played.producer.tryEnqueue(part(0, ["a", "b"]));
  played.producer.tryEnqueue(part(0, ["c", "d", "e"]));
  const drained = played.producer.drain();
  played.ack(0);
  played.nack(1, 1);
  await withDeadline(drained, { what: "the drain" });
  assert.deepEqual(played.lost, [[3, "RTA_LOG_FULL"]]);
  played.producer.close();
});

Deno.test("drain() resolves once nothing is in flight", async () => {
  const played = new Played();
  await played.producer.drain();
  const append = outcome(played.producer.append(part(0, ["x"])));
  let drained = false;
  const drain = played.producer.drain().then(() => drained = true);
  await Promise.resolve();
  assert.equal(drained, false);
  played.ack(0);
  assert.equal(await append, "durable");
  await withDeadline(drain, { what: "the drain" });
  played.producer.close();
});

Deno.test("markFailed() fails what is in flight and all that follows", async () => {
  const played = new Played();
  const appends = [0, 1].map((p) => outcome(played.producer.append(part(p, ["x"]))));
  played.producer.markFailed("RTA_LOG_UNAVAILABLE");
  appends.push(outcome(played.producer.append(part(0, ["x"]))));
  assert.deepEqual(await Promise.all(appends), new Array(3).fill("RTA_LOG_UNAVAILABLE"));
  const outcomes = await played.producer.appendAll([part(0, ["x"]), part(1, ["y"])]);
  assert.ok(outcomes.every((failure) => failure instanceof LogError));
  played.producer.close();
});

/** One request; the writer answers after every `answerEvery` frames, failing each `failEvery`th. */
const requests = fc.record({
  sizes: fc.array(fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 40,
  }),
  answerEvery: fc.integer({ min: 1, max: 7 }),
  failEvery: fc.integer({ min: 2, max: 5 }),
  firstSequence: fc.constantFrom(0, 0xffffffff, 0xfffffff0),
});

Deno.test("appendAll() is durable for exactly the frames acknowledged when sequences wrap", () =>
  fc.assert(
    fc.asyncProperty(requests, async ({ sizes, answerEvery, failEvery, firstSequence }) => {
      const played = new Played(1 << 16, firstSequence);
      const answers: Promise<(string | null)[]>[] = [];
      for (const [index, parts] of sizes.entries()) {
        const list = parts.map((size, i) => part(i, [`${index}.${i} ${"x".repeat(size)}`]));
        const answer = played.producer.appendAll(list);
        answers.push(answer.then((failures) => failures.map((failure) => failure?.code ?? null)));
      }
      const frames = played.takeAll();
      const codes: (string | null)[] = [];
      for (let from = 0; from < frames.length; from += answerEvery) {
        const answered = frames.slice(from, from + answerEvery);
        const through = answered[answered.length - 1].sequence;
        const fails = (from / answerEvery) % failEvery === failEvery - 1;
        if (fails) played.nack(answered[0].sequence, through);
        else played.ack(through);
        for (const _ of answered) codes.push(fails ? "RTA_LOG_FULL" : null);
      }
      const settled = await withDeadline(Promise.all(answers), { what: "all answers" });
      assert.deepEqual(settled.flat(), codes);
      assert.equal(played.producer.inFlightBytes, 0);
      played.producer.close();
    }),
    { numRuns: 100 },
  ));
