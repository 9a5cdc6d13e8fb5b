/** Shards as members of one consumer group (group_reader.ts), against a real broker. */
import assert from "node:assert/strict";
import type { AssignedLogReader } from "../../lib/log/event_log.ts";
import {
  type KafkaLogSettings,
  openKafkaGroupReader,
  openKafkaLogWriter,
} from "../../lib/log/kafka/mod.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import {
  kafkaSettings,
  makeTopic,
  numbered,
  numbersOf,
  silent,
  withAdmin,
} from "../support/kafka_topic.ts";

const kafka = await sharedKafka();
const BYTES_ENOUGH = 1 << 20;

/** A member, and what it was told. */
class Member implements AsyncDisposable {
  readonly reader: AssignedLogReader;
  readonly generations: (readonly number[])[] = [];
  readonly gaps: [number, number, number][] = [];

  constructor(settings: KafkaLogSettings, partitions: number, metadataMaxAgeMs = 60_000) {
    this.reader = openKafkaGroupReader({
      settings,
      partitions,
      metadataMaxAgeMs,
      projectDefault: "default",
      logging: silent,
      onGap: (...gap) => this.gaps.push(gap),
    });
  }

  get owned(): readonly number[] {
    return this.generations.at(-1) ?? [];
  }

  async join(): Promise<this> {
    const joined = this.reader.join((partitions) => this.generations.push(partitions));
    await withDeadline(joined, { what: "a generation", deadlineMs: 20_000 });
    return this;
  }

  /** Reads until `count` events of the partition came. */
  async read(partition: number, from: number, count: number): Promise<number[]> {
    const numbers: number[] = [];
    let offset = from;
    await waitUntil(async () => {
      const token = this.reader.token();
      const records = await this.reader.read(partition, offset, BYTES_ENOUGH);
      for (const record of records) {
        numbers.push(...numbersOf(record));
        offset = record.nextOffset;
      }
      if (records.length === 0 && numbers.length < count) await this.reader.appended(token);
      return numbers.length >= count;
    }, { what: `${count} events of partition ${partition}` });
    return numbers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reader.close();
  }
}

Deno.test(
  kafka.test("join() deals the partitions out, and moves few when others come", async () => {
    const settings = kafkaSettings(kafka.bootstrap);
    await makeTopic(settings, 8);
    await using first = await new Member(settings, 8).join();
    assert.deepEqual(first.generations, [[0, 1, 2, 3, 4, 5, 6, 7]]);
    await using second = await new Member(settings, 8).join();
    await waitUntil(() => first.owned.length === 4, { what: "the first member's new share" });
    assert.deepEqual(first.owned, [0, 1, 2, 3]);
    assert.deepEqual(second.owned, [4, 5, 6, 7]);
    {
      await using third = await new Member(settings, 8).join();
      await waitUntil(() => first.owned.length + second.owned.length + third.owned.length === 8, {
        what: "shares of all three",
      });
      assert.equal(third.owned.length, 2);
      assert.ok(first.owned.every((partition) => partition < 4));
      assert.ok(second.owned.every((partition) => partition >= 4));
    }
    await waitUntil(() => first.owned.length === 4 && second.owned.length === 4, {
      what: "the third member's partitions",
    });
  }),
);

Deno.test(kafka.test("startPartition() delivers from the given offset on", async () => {
  const settings = kafkaSettings(kafka.bootstrap);
  await makeTopic(settings, 2);
  const writer = await openKafkaLogWriter({ settings, partitions: 2, logging: silent });
  await writer.append([numbered(0, 0, 100), numbered(1, 0, 10)]);
  await using member = await new Member(settings, 2).join();
  const { reader } = member;
  assert.deepEqual(await reader.read(0, 0, BYTES_ENOUGH), []);
  reader.startPartition(0, 40);
  assert.ok(reader.highWater(0) > 40, "not caught up before the broker was heard");
  assert.deepEqual(await member.read(0, 40, 60), Array.from({ length: 60 }, (_, i) => 40 + i));
  assert.equal(reader.highWater(0), 100);
  await assert.rejects(reader.read(0, 7, BYTES_ENOUGH), RangeError);
  reader.startPartition(0, 98);
  assert.deepEqual(await member.read(0, 98, 2), [98, 99]);
  assert.deepEqual(await reader.read(1, 0, BYTES_ENOUGH), []);
  reader.stopPartition(0);
  assert.deepEqual(await reader.read(0, 100, BYTES_ENOUGH), []);
  await writer.close();
}));
