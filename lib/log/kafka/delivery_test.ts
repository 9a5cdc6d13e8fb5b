/** Deliveries to a broker that is played: it keeps the sequences as Kafka's log does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KAFKA_DELIVERY_MS_MAX } from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { AppendPlan, type SealedBatch } from "./append_plan.ts";
import type { WireRequest } from "./broker_link.ts";
import { Delivery, type ProduceLink, type ProduceLinks } from "./delivery.ts";
import { BASE_SEQUENCE_AT, PRODUCER_ID_AT } from "./record_batch.ts";
import { encodeString, readInt32, readInt64, WireReader } from "./wire_bytes.ts";

/** What becomes of one request. */
type Fate =
  | "answer"
  /** Written, but the answer never comes. */
  | "lost"
  /** The broker is gone before it wrote anything. */
  | "refused"
  /** The answer leaves all partitions out. */
  | "silent"
  | number; // an error code for all partitions, nothing written

const OUT_OF_ORDER = 45;
const DUPLICATE = 46;

/** Partitions with the check of sequences that brokers make. */
class PlayedBroker {
  readonly written = new Map<number, string[]>();
  readonly fates: Fate[] = [];
  readonly #next = new Map<string, number>();
  producers = 0;

  produce(body: Uint8Array): Uint8Array {
    const fate = this.fates.shift() ?? "answer";
    if (fate === "refused") throw gone();
    const answers = readProduce(body).map(({ partition, batch }) => {
      if (typeof fate === "number") return { partition, error: fate };
      return { partition, error: this.#append(partition, batch) };
    });
    if (fate === "lost") throw gone();
    return produceAnswer(fate === "silent" ? [] : answers);
  }

  #append(partition: number, batch: Uint8Array): number {
    const key = `${readInt64(batch, PRODUCER_ID_AT)}-${partition}`;
    const sequence = readInt32(batch, BASE_SEQUENCE_AT);
    const expected = this.#next.get(key) ?? 0;
    const records = readInt32(batch, 57);
    if (sequence + records === expected) return DUPLICATE;
    if (sequence !== expected) return OUT_OF_ORDER;
    this.#next.set(key, expected + records);
    const written = this.written.get(partition) ?? [];
    written.push(new TextDecoder().decode(batch.slice(61)));
    this.written.set(partition, written);
    return 0;
  }
}

function gone(): LogError {
  return new LogError("RTA_LOG_UNAVAILABLE", "gone");
}

function readProduce(body: Uint8Array): { partition: number; batch: Uint8Array }[] {
  const reader = new WireReader(body);
  reader.view(8);
  assert.equal(reader.int32(), 1);
  assert.equal(reader.string(), "t");
  return Array.from({ length: reader.int32() }, () => {
    const partition = reader.int32();
    return { partition, batch: reader.view(reader.int32()) };
  });
}

function produceAnswer(answers: readonly { partition: number; error: number }[]): Uint8Array {
  const topic = encodeString("t");
  const bytes = new Uint8Array(4 + topic.length + 4 + answers.length * 30 + 4);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 1);
  bytes.set(topic, 4);
  let at = 4 + topic.length;
  view.setInt32(at, answers.length);
  at += 4;
  for (const { partition, error } of answers) {
    view.setInt32(at, partition);
    view.setInt16(at + 4, error);
    at += 30;
  }
  return bytes;
}

/** Links to the played broker; time passes only in wait(). */
class PlayedLinks implements ProduceLinks {
  isClosed = false;
  waitedMs = 0;

  constructor(readonly broker: PlayedBroker) {}

  async use<T>(work: (link: ProduceLink) => Promise<T>): Promise<T> {
    const { broker } = this;
    return await work({
      newProducer: () => Promise.resolve({ id: ++broker.producers, epoch: 0 }),
      leaderOf: (partition) => partition % 2,
      refresh: () => Promise.resolve(),
      send: <Answer>(_node: number, request: WireRequest<Answer>) =>
        Promise.try(() => request.decode(broker.produce(request.body))),
    });
  }

  wait(ms: number): Promise<void> {
    this.waitedMs += ms;
    // The time that deliver() measures has to pass as well.
    clock += ms;
    return Promise.resolve();
  }
}

let clock = 0;

/** Runs `work` with a clock of its own. */
async function withClock<T>(work: () => Promise<T>): Promise<T> {
  const { now } = performance;
  clock = 0;
  performance.now = () => clock;
  try {
    return await work();
  } finally {
    performance.now = now;
  }
}

function planned(partition: number, line: string): SealedBatch {
  const plan = new AppendPlan(partition, { records: "batched", compression: "none" });
  const value = new TextEncoder().encode(`${line}\n`);
  plan.begin([{ partition, project: "p", receivedAtMs: 1, events: 1, value }]);
  return plan.next()!;
}

/** Lines that the broker wrote, by partition. */
function linesAt(broker: PlayedBroker, partition: number): string[] {
  return (broker.written.get(partition) ?? []).map((text) => /line \d+/.exec(text)![0]);
}

Deno.test("deliver() writes each batch once through lost answers and refusals", async () => {
  const fate = fc.constantFrom<Fate>("answer", "answer", "lost", "refused", "silent", 6, 19, 2);
  await fc.assert(
    fc.asyncProperty(fc.array(fate, { maxLength: 12 }), (fates) =>
      withClock(async () => {
        const broker = new PlayedBroker();
        const delivery = new Delivery(new PlayedLinks(broker), "t");
        broker.fates.push(...fates);
        for (let n = 0; n < 6; n++) {
          const batches = [planned(0, `line ${n}`), planned(1, `line ${n}`)];
          clock = 0;
          const delivered = await delivery.deliver(batches);
          assert.deepEqual(delivered.map(({ error }) => error), [0, 0]);
        }
        const lines = Array.from({ length: 6 }, (_, n) => `line ${n}`);
        assert.deepEqual(linesAt(broker, 0), lines);
        assert.deepEqual(linesAt(broker, 1), lines);
        assert.equal(broker.producers, 1);
      })),
  );
});

Deno.test("deliver() takes a new producer after a batch of unknown outcome", async () => {
  await withClock(async () => {
    const broker = new PlayedBroker();
    const links = new PlayedLinks(broker);
    const delivery = new Delivery(links, "t");
    await delivery.deliver([planned(0, "line 0")]);
    // Written at the first attempt, never answered.
    broker.fates.push(...new Array<Fate>(100).fill("lost"));
    await assert.rejects(
      delivery.deliver([planned(0, "line 1")]),
      (error) => error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE",
    );
    assert.ok(links.waitedMs <= KAFKA_DELIVERY_MS_MAX);
    assert.ok(links.waitedMs > KAFKA_DELIVERY_MS_MAX / 2);
    broker.fates.length = 0;
    clock = 0;
    // Under the old producer it would be taken for a repetition of line 1.
    await delivery.deliver([planned(0, "line 2")]);
    assert.deepEqual(linesAt(broker, 0), ["line 0", "line 1", "line 2"]);
    assert.equal(broker.producers, 2);
  });
});

Deno.test("deliver() takes a new producer when the broker does not know the old one", async () => {
  await withClock(async () => {
    const broker = new PlayedBroker();
    const delivery = new Delivery(new PlayedLinks(broker), "t");
    await delivery.deliver([planned(0, "line 0")]);
    for (const [index, unknown] of [45, 47, 59].entries()) {
      broker.fates.push(unknown);
      await delivery.deliver([planned(0, `line ${index + 1}`)]);
      assert.equal(broker.producers, index + 2);
    }
    assert.deepEqual(linesAt(broker, 0), ["line 0", "line 1", "line 2", "line 3"]);
  });
});

Deno.test("deliver() tells of a batch that is refused for good, and delivers the others", async () => {
  await withClock(async () => {
    const broker = new PlayedBroker();
    const delivery = new Delivery(new PlayedLinks(broker), "t");
    broker.fates.push(10); // the first request: that of partition 0's leader
    const delivered = await delivery.deliver([planned(0, "line 0"), planned(1, "line 0")]);
    assert.deepEqual(
      delivered.map(({ batch: { partition }, error }) => [partition, error]),
      [[0, 10], [1, 0]],
    );
    // Its sequence was not used.
    await delivery.deliver([planned(0, "line 1"), planned(1, "line 1")]);
    assert.deepEqual(linesAt(broker, 0), ["line 1"]);
    assert.deepEqual(linesAt(broker, 1), ["line 0", "line 1"]);
  });
});

Deno.test("deliver() ends early when the log is closed", async () => {
  await withClock(async () => {
    const broker = new PlayedBroker();
    const links = new PlayedLinks(broker);
    broker.fates.push("refused");
    links.isClosed = true;
    await assert.rejects(new Delivery(links, "t").deliver([planned(0, "line 0")]), LogError);
    assert.equal(links.waitedMs, 0);
  });
});
