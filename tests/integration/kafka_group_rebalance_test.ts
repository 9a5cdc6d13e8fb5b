/**
 * What a group promises when its members come, go, freeze, and when its broker is killed: every event
 * reaches the stores once and in order.
 */
import assert from "node:assert/strict";
import { type EventLogWriter, LogError } from "../../lib/log/event_log.ts";
import { type KafkaLogSettings, openKafkaLogWriter } from "../../lib/log/kafka/mod.ts";
import { someTime, waitUntil } from "../support/deadline.ts";
import { type KafkaBroker, startKafkaBroker } from "../support/kafka_broker.ts";
import { GroupMember } from "../support/kafka_group_member.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { kafkaSettings, makeTopic, numbered, numbersOf, silent } from "../support/kafka_topic.ts";

const PARTITIONS = 6;
const BYTES = 4_000;

const kafka = await sharedKafka();

/** A test with a broker of its own, to be broken. */
function test(name: string, body: (broker: KafkaBroker) => Promise<void>): void {
  Deno.test(kafka.test(name, async () => {
    await using broker = await startKafkaBroker();
    await body(broker);
  }));
}

/** The stores of all partitions: a place, what was applied, and who holds the lock. */
class Stores {
  readonly offsets = new Array<number>(PARTITIONS).fill(0);
  readonly numbers: number[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly holders = new Array<Shard | null>(PARTITIONS).fill(null);

  get applied(): number {
    return this.numbers.reduce((sum, own) => sum + own.length, 0);
  }
}

/** A shard: applies what its partitions bring to the stores, as long as it holds their locks. */
class Shard {
  readonly member: GroupMember;
  readonly #stores: Stores;
  #wanted: readonly number[] = [];
  readonly #held = new Set<number>();
  #running: Promise<void> | null = null;
  #stopping = false;
  generations = 0;

  constructor(settings: KafkaLogSettings, stores: Stores) {
    this.member = new GroupMember(settings, PARTITIONS);
    this.#stores = stores;
  }

  async start(): Promise<this> {
    const joined = this.member.reader.join((partitions) => {
      this.#wanted = partitions;
      this.generations++;
    });
    this.#running = this.#run();
    await joined;
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.member.reader.close();
  }

  async #run(): Promise<void> {
    const { reader } = this.member;
    while (!this.#stopping) {
      this.#exchange();
      const token = reader.token();
      let worked = false;
      for (const partition of this.#held) worked = await this.#apply(partition) || worked;
      // Wakes up by itself too: the locks of others are asked for again.
      if (!worked) await Promise.race([reader.appended(token), someTime(20)]);
    }
    this.#wanted = [];
    this.#exchange();
  }

  /** Lets go of what is no longer its own, and takes what is and is free. */
  #exchange(): void {
    const { reader } = this.member;
    const { holders, offsets } = this.#stores;
    for (const partition of this.#held) {
      if (this.#wanted.includes(partition)) continue;
      reader.stopPartition(partition);
      this.#held.delete(partition);
      holders[partition] = null;
    }
    for (const partition of this.#wanted) {
      if (this.#held.has(partition) || holders[partition] !== null) continue;
      holders[partition] = this;
      this.#held.add(partition);
      reader.startPartition(partition, offsets[partition]);
    }
  }

  async #apply(partition: number): Promise<boolean> {
    const { offsets, numbers } = this.#stores;
    const records = await this.member.reader.read(partition, offsets[partition], BYTES);
    for (const record of records) {
      assert.ok(record.offset >= offsets[partition]);
      numbers[partition].push(...numbersOf(record));
      offsets[partition] = record.nextOffset;
    }
    return records.length > 0;
  }
}

/** Writes numbered events to all partitions until it is stopped. */
class Load {
  readonly acked = new Array<number>(PARTITIONS).fill(0);
  /** Numbers whose append failed: they may be in the log or not. */
  readonly unsure = new Set<number>();
  #next = 0;
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(readonly writer: EventLogWriter) {
    this.#running = this.#run();
  }

  get written(): number {
    return this.#next;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.writer.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const from = this.#next;
      this.#next += 20;
      const all = Array.from({ length: PARTITIONS }, (_, each) => numbered(each, from, this.#next));
      try {
        await this.writer.append(all);
      } catch (error) {
        assert.ok(error instanceof LogError, `${error}`);
        for (let n = from; n < this.#next; n++) this.unsure.add(n);
      }
      await someTime(5);
    }
  }
}

async function startLoad(settings: KafkaLogSettings): Promise<Load> {
  await makeTopic(settings, PARTITIONS);
  const options = { settings, partitions: PARTITIONS, logging: silent };
  const writer = await waitUntil(() => openKafkaLogWriter(options).catch(() => null), {
    what: "the writer",
  });
  return new Load(writer);
}

/** Every event once and in order, none of the acknowledged ones missing. */
async function checkStores(stores: Stores, load: Load): Promise<void> {
  const sure = load.written - load.unsure.size;
  const isDone = (own: readonly number[]) => {
    return own.filter((n) => !load.unsure.has(n)).length >= sure;
  };
  await waitUntil(() => stores.numbers.every(isDone), {
    what: "all events in the stores",
    deadlineMs: 30_000,
  });
  for (const own of stores.numbers) {
    assert.equal(new Set(own).size, own.length, "an event was applied twice");
    assert.deepEqual(own, own.toSorted((a, b) => a - b));
    assert.equal(own.filter((n) => !load.unsure.has(n)).length, sure);
  }
}

Deno.test(kafka.test("members that come and go lose no event, and apply none twice", async () => {
  const settings = kafkaSettings(kafka.bootstrap);
  const load = await startLoad(settings);
  const stores = new Stores();
  const first = await new Shard(settings, stores).start();
  for (let round = 0; round < 3; round++) {
    const second = await new Shard(settings, stores).start();
    await waitUntil(() => stores.holders.filter((holder) => holder === second).length === 3, {
      what: "the second shard's share",
    });
    const third = await new Shard(settings, stores).start();
    await waitUntil(() => stores.holders.filter((holder) => holder === third).length === 2, {
      what: "the third shard's share",
    });
    await second.stop();
    await third.stop();
    await waitUntil(() => stores.holders.every((holder) => holder === first), {
      what: "all partitions back at the first shard",
    });
  }
  await load.stop();
  await checkStores(stores, load);
  await first.stop();
}));

test("a killed broker loses no event of the stores and applies none twice", async (broker) => {
  const settings = kafkaSettings(broker.bootstrap);
  const load = await startLoad(settings);
  const stores = new Stores();
  const shards = [
    await new Shard(settings, stores).start(),
    await new Shard(settings, stores).start(),
  ];
  for (let round = 0; round < 2; round++) {
    const before = stores.applied;
    await waitUntil(() => stores.applied > before + 2_000, {
      what: "events in the stores",
      deadlineMs: 30_000,
    });
    await broker.kill();
    await broker.restart();
  }
  const before = shards.map(({ generations }) => generations);
  const third = await new Shard(settings, stores).start();
  await waitUntil(() => shards.every(({ generations }, index) => generations > before[index]), {
    what: "a generation of all three",
    deadlineMs: 30_000,
  });
  await load.stop();
  await checkStores(stores, load);
  for (const shard of [...shards, third]) await shard.stop();
});

test("a member that freezes beyond its session loses its partitions", async (broker) => {
  const settings = kafkaSettings(broker.bootstrap, { sessionTimeoutMs: 1_500 });
  await makeTopic(settings, PARTITIONS);
  const program = new URL("./kafka_group_freezing_member.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "-q", program, JSON.stringify(settings), `${PARTITIONS}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const generations: string[] = [];
  const listening = (async () => {
    for (let text = await lines.read(); !text.done; text = await lines.read()) {
      generations.push(...text.value.trim().split("\n"));
    }
  })();
  await waitUntil(() => generations.at(-1) === "0,1,2,3,4,5", { what: "the child's partitions" });
  await using member = new GroupMember(settings, PARTITIONS);
  await member.join();
  await waitUntil(() => generations.at(-1) === "0,1,2" && member.owned.length === 3, {
    what: "shares of both",
  });
  child.kill("SIGSTOP");
  await waitUntil(() => member.owned.length === PARTITIONS, {
    what: "the frozen member's partitions",
  });
  const before = generations.length;
  child.kill("SIGCONT");
  await waitUntil(() => generations.length > before && member.owned.length === 3, {
    what: "the member that is back",
  });
  await child.stdin.close();
  await listening;
  await child.status;
});
