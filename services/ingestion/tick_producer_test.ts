/** Joining of small requests, before a writer that the test plays itself. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { GATHERED_BYTES_MAX, GATHERED_REQUEST_BYTES_MAX } from "../../lib/config/limits.ts";
import {
  AppendHeader,
  encodeAck,
  encodeNack,
  FRAME_ACK,
  FRAME_NACK,
  readAppendHeader,
} from "../../lib/log/append_frames.ts";
import { LineRanges } from "../../lib/log/line_ranges.ts";
import { createRing, RingReader, RingWriter } from "../../lib/ring/ring.ts";
import { withDeadline } from "../../tests/support/deadline.ts";
import { type AppendPart, DurableProducer } from "./durable_producer.ts";
import { TickProducer } from "./tick_producer.ts";

const PARTITIONS = 4;
const T0 = 1_700_000_000_000;
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
  readonly producer: TickProducer;
  readonly #ring: RingReader;
  readonly #acks: RingWriter;

  constructor(ringBytes = 1 << 20) {
    const [ring, acks] = [createRing(ringBytes), createRing(1 << 12)];
    this.#ring = new RingReader(ring);
    this.#acks = new RingWriter(acks);
    this.producer = new TickProducer(new DurableProducer({ ring, acks, partitions: PARTITIONS }));
  }

  /** Frames that stand in the ring now. */
  taken(): Frame[] {
    const frames: Frame[] = [];
    while (this.#ring.peek()) {
      const payload = this.#ring.view.slice();
      this.#ring.release();
      const header = new AppendHeader();
      readAppendHeader(payload, header);
      const { sequence, partition, events, receivedAtMs, originStart, originEnd } = header;
      const project = decoder.decode(payload.subarray(originStart, originEnd));
      const lines = decoder.decode(payload.subarray(originEnd));
      frames.push({ sequence, partition, project, events, receivedAtMs, lines });
    }
    return frames;
  }

  /** The next frames that come: what was gathered comes when the turn of the event loop ends. */
  async nextFrames(): Promise<Frame[]> {
    await withDeadline(this.#ring.waitReadable(), { what: "a frame" });
    return this.taken();
  }

  ack(through: number): void {
    assert.ok(this.#acks.tryWrite(FRAME_ACK, encodeAck(through)));
  }

  nack(from: number, through: number): void {
    assert.ok(this.#acks.tryWrite(FRAME_NACK, encodeNack(from, through, "RTA_LOG_FULL")));
  }
}

function part(
  partition: number,
  texts: readonly string[],
  { project = "p", receivedAtMs = T0, traceparent = null as string | null } = {},
): AppendPart {
  const lines = new LineRanges();
  for (const text of texts) {
    const bytes = encoder.encode(text);
    lines.add(bytes, 0, bytes.length);
  }
  return { partition, project, receivedAtMs, traceparent, lines };
}

type Answer = ReturnType<TickProducer["appendAll"]>;

async function codes(answer: Answer): Promise<(string | null)[]> {
  const outcomes = await withDeadline(answer, { what: "the answer to an append" });
  return outcomes.map((failure) => failure?.code ?? null);
}

Deno.test("appendAll() joins the requests of one turn to a frame for each partition", async () => {
  const played = new Played();
  const { producer } = played;
  const answers = [
    producer.appendAll([part(1, ["a"])]),
    producer.appendAll([part(3, ["b"])]),
    producer.appendAll([part(1, ["c", "d"], { receivedAtMs: T0 + 2 })]),
    producer.appendAll([part(1, ["e"], { receivedAtMs: T0 + 1 })]),
  ];
  assert.deepEqual(played.taken(), []);
  assert.equal(producer.inFlightBytes, 10);
  const frames = await played.nextFrames();
  assert.deepEqual(frames, [
    {
      sequence: 0,
      partition: 1,
      project: "p",
      events: 4,
      receivedAtMs: T0 + 2,
      lines: "a\nc\nd\ne\n",
    },
    { sequence: 1, partition: 3, project: "p", events: 1, receivedAtMs: T0, lines: "b\n" },
  ]);
  assert.equal(producer.inFlightBytes, 10);
  played.ack(1);
  for (const answer of answers) assert.deepEqual(await codes(answer), [null]);
  assert.equal(producer.inFlightBytes, 0);
  producer.close();
});

Deno.test("appendAll() gives a traced request a frame of its own, in the same turn", async () => {
  const played = new Played();
  const { producer } = played;
  const answers = [
    producer.appendAll([part(1, ["a"])]),
    producer.appendAll([part(1, ["b"], { traceparent: "00-x" })]),
    producer.appendAll([part(1, ["c"])]),
    producer.appendAll([part(1, ["d"], { traceparent: "00-y" })]),
  ];
  const frames = await played.nextFrames();
  assert.deepEqual(frames.map(({ project, lines }) => [project, lines]), [
    ["p", "a\nc\n"],
    ["p\0" + "00-x", "b\n"],
    ["p\0" + "00-y", "d\n"],
  ]);
  played.nack(1, 1);
  played.ack(2);
  const outcomes = await Promise.all(answers.map(codes));
  assert.deepEqual(outcomes.flat(), [null, "RTA_LOG_FULL", null, null]);
  producer.close();
});

Deno.test("appendAll() fails the requests of a part that failed and no others", async () => {
  const played = new Played();
  const { producer } = played;
  const first = producer.appendAll([part(0, ["a"])]);
  const both = producer.appendAll([part(0, ["b"]), part(2, ["c"])]);
  const second = producer.appendAll([part(2, ["d"])]);
  assert.equal((await played.nextFrames()).length, 2);
  played.nack(0, 0);
  played.ack(1);
  assert.deepEqual(await codes(first), ["RTA_LOG_FULL"]);
  assert.deepEqual(await codes(both), ["RTA_LOG_FULL", null]);
  assert.deepEqual(await codes(second), [null]);
  producer.close();
});

Deno.test("appendAll() hands a large request over at once", async () => {
  const played = new Played();
  const text = "x".repeat(GATHERED_REQUEST_BYTES_MAX);
  const answer = played.producer.appendAll([part(0, [text])]);
  assert.equal(played.taken().length, 1);
  played.ack(0);
  assert.deepEqual(await codes(answer), [null]);
  played.producer.close();
});

Deno.test("appendAll() tells all requests of a turn that there is no room", async () => {
  const played = new Played(1 << 12);
  const { producer } = played;
  const texts = ["x".repeat(1100)];
  const answers = [0, 1, 2, 3].map((partition) => producer.appendAll([part(partition, texts)]));
  for (const answer of answers) assert.deepEqual(await codes(answer), ["overloaded"]);
  const next = producer.appendAll([part(0, texts)]);
  assert.equal((await played.nextFrames()).length, 1);
  played.ack(0);
  assert.deepEqual(await codes(next), [null]);
  producer.close();
});

Deno.test("drain() waits for what is being gathered", async () => {
  const played = new Played();
  const answer = played.producer.appendAll([part(0, ["a"])]);
  let drained = false;
  const drain = played.producer.drain().then(() => drained = true);
  assert.equal(played.taken().length, 1);
  assert.equal(drained, false);
  played.ack(0);
  await withDeadline(drain, { what: "the drain" });
  assert.deepEqual(await codes(answer), [null]);
  played.producer.close();
});

Deno.test("markFailed() fails what is being gathered and all that follows", async () => {
  const played = new Played();
  const { producer } = played;
  const answers = [producer.appendAll([part(0, ["a"])])];
  producer.markFailed("RTA_LOG_UNAVAILABLE");
  answers.push(producer.appendAll([part(1, ["b"])]));
  for (const answer of answers) assert.deepEqual(await codes(answer), ["RTA_LOG_UNAVAILABLE"]);
  producer.close();
});

/** Requests of one turn; the longest need several frames of a partition. */
const turn = fc.array(
  fc.record({
    partitions: fc.uniqueArray(fc.nat({ max: PARTITIONS - 1 }), { minLength: 1 }),
    length: fc.nat({ max: 900 }),
    project: fc.constantFrom("p", "p", "p", "q"),
  }),
  { minLength: 1, maxLength: 200 },
);

Deno.test("appendAll() keeps every line, its project and the order in a partition", () =>
  fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 3 }), async (turns) => {
      const played = new Played();
      const sent = new Map<number, string[]>();
      const got = new Map<number, string[]>();
      const note = (map: Map<number, string[]>, partition: number, line: string) =>
        map.set(partition, [...(map.get(partition) ?? []), line]);
      for (const requests of turns) {
        const answers = requests.map(({ partitions, length, project }, index) =>
          played.producer.appendAll(partitions.map((partition) => {
            const line = `${index}.${partition} ${"x".repeat(length)}`;
            note(sent, partition, `${project}: ${line}`);
            return part(partition, [line], { project });
          }))
        );
        const lineCount = requests.reduce((sum, { partitions }) => sum + partitions.length, 0);
        const frames: Frame[] = [];
        while (frames.reduce((sum, { events }) => sum + events, 0) < lineCount) {
          frames.push(...await played.nextFrames());
        }
        for (const { partition, project, lines } of frames) {
          assert.ok(lines.length <= GATHERED_BYTES_MAX);
          for (const line of lines.slice(0, -1).split("\n")) {
            note(got, partition, `${project}: ${line}`);
          }
        }
        played.ack(frames[frames.length - 1].sequence);
        for (const [index, answer] of answers.entries()) {
          assert.deepEqual(await codes(answer), requests[index].partitions.map(() => null));
        }
      }
      assert.deepEqual(got, sent);
      assert.equal(played.producer.inFlightBytes, 0);
      played.producer.close();
    }),
    { numRuns: 50 },
  ));
