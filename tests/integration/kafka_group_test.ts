/** Shards as members of one consumer group (group_reader.ts), against a real broker. */
import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { KAFKA_BUFFER_BYTES_MAX } from "../../lib/config/limits.ts";
import { LogError } from "../../lib/log/event_log.ts";
import { openKafkaLogWriter } from "../../lib/log/kafka/mod.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { GroupMember } from "../support/kafka_group_member.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { kafkaSettings, makeTopic, numbered, silent, withAdmin } from "../support/kafka_topic.ts";

const kafka = await sharedKafka();
const BYTES_ENOUGH = 1 << 20;

Deno.test(
  kafka.test("join() deals the partitions out, and moves few when others come", async () => {
    const settings = kafkaSettings(kafka.bootstrap);
    await makeTopic(settings, 8);
    await using first = await new GroupMember(settings, 8).join();
    assert.deepEqual(first.generations, [[0, 1, 2, 3, 4, 5, 6, 7]]);
    await using second = await new GroupMember(settings, 8).join();
    await waitUntil(() => first.owned.length === 4, { what: "the first member's new share" });
    assert.deepEqual(first.owned, [0, 1, 2, 3]);
    assert.deepEqual(second.owned, [4, 5, 6, 7]);
    {
      await using third = await new GroupMember(settings, 8).join();
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
  await using member = await new GroupMember(settings, 2).join();
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

Deno.test(
  kafka.test("read() rejects when the place lies beyond the end of the log", async () => {
    const settings = kafkaSettings(kafka.bootstrap);
    await makeTopic(settings, 1);
    const writer = await openKafkaLogWriter({ settings, partitions: 1, logging: silent });
    await writer.append([numbered(0, 0, 5)]);
    await writer.close();
    await using member = new GroupMember(settings, 1);
    const { reader } = member;
    const token = reader.token();
    reader.startPartition(0, 9);
    await withDeadline(reader.appended(token), { what: "news of the lost log" });
    await assert.rejects(
      reader.read(0, 9, BYTES_ENOUGH),
      (error) => error instanceof LogError && error.code === "RTA_LOG_CORRUPT",
    );
    reader.startPartition(0, 5);
    await waitUntil(() => reader.highWater(0) === 5, { what: "the end" });
    assert.deepEqual(await reader.read(0, 5, BYTES_ENOUGH), []);
  }),
);

Deno.test(kafka.test("read() goes on at the oldest record kept, and tells of the gap", async () => {
  const settings = kafkaSettings(kafka.bootstrap);
  await makeTopic(settings, 2);
  const writer = await openKafkaLogWriter({ settings, partitions: 2, logging: silent });
  await writer.append([numbered(0, 0, 100), numbered(1, 0, 10)]);
  await writer.close();
  await withAdmin(settings, async (admin) => {
    await admin.fetchTopicOffsets(settings.topic); // kafkajs does not look the leaders up by itself
    await admin.deleteTopicRecords({
      topic: settings.topic,
      partitions: [{ partition: 0, offset: "60" }, { partition: 1, offset: "10" }],
    });
  });
  await using member = new GroupMember(settings, 2);
  member.reader.startPartition(0, 20);
  member.reader.startPartition(1, 4);
  assert.equal((await member.read(0, 20, 40))[0], 60);
  await waitUntil(() => member.reader.highWater(1) === 4, { what: "nothing left" });
  assert.deepEqual(member.gaps.sort(), [[0, 20, 60], [1, 4, 10]]);
}));

Deno.test(kafka.test("partitions are paused above their share, and go on when read", async () => {
  const settings = kafkaSettings(kafka.bootstrap, { records: "batched" });
  await makeTopic(settings, 2);
  const writer = await openKafkaLogWriter({ settings, partitions: 2, logging: silent });
  const lineBytes = 10_000;
  const events = 100;
  const rounds = Math.ceil(2 * KAFKA_BUFFER_BYTES_MAX / (events * lineBytes));
  for (let round = 0; round < rounds; round++) {
    await writer.append([numbered(0, round * events, (round + 1) * events, lineBytes)]);
  }
  await writer.append([numbered(1, 0, 10)]);
  await using member = new GroupMember(settings, 2);
  const { reader } = member;
  reader.startPartition(0, 0);
  reader.startPartition(1, 0);
  await waitUntil(() => reader.pausedPartitions.includes(0), { what: "a pause" });
  // Its share, and the one answer that went beyond it; the other partition has next to nothing.
  assert.ok(reader.bufferedBytes >= KAFKA_BUFFER_BYTES_MAX / 2, `${reader.bufferedBytes}`);
  assert.ok(reader.bufferedBytes <= KAFKA_BUFFER_BYTES_MAX, `${reader.bufferedBytes}`);
  assert.deepEqual(reader.pausedPartitions, [0]);
  assert.equal((await member.read(1, 0, 10)).length, 10);
  // The paused one does not hold the other up.
  await writer.append([numbered(1, 10, 20)]);
  await writer.close();
  assert.equal((await member.read(1, member.places.get(1)!, 10))[0], 10);
  const numbers = await member.read(0, 0, rounds * events);
  assert.deepEqual(numbers, Array.from({ length: rounds * events }, (_, n) => n));
  assert.deepEqual(reader.pausedPartitions, []);
  assert.equal(reader.bufferedBytes, 0);
}));

Deno.test(kafka.test("partitions that are added to the topic are dealt out", async () => {
  const settings = kafkaSettings(kafka.bootstrap);
  await makeTopic(settings, 2);
  await using first = await new GroupMember(settings, 2, 500).join();
  await using second = await new GroupMember(settings, 2, 500).join();
  await waitUntil(() => first.owned.length === 1, { what: "shares of both" });
  await withAdmin(
    settings,
    (admin) => admin.createPartitions({ topicPartitions: [{ topic: settings.topic, count: 5 }] }),
  );
  await waitUntil(() => first.owned.length + second.owned.length === 5, {
    what: "the new partitions",
  });
  assert.deepEqual([...first.owned, ...second.owned].sort(), [0, 1, 2, 3, 4]);
  const owner = first.owned.includes(4) ? first : second;
  owner.reader.startPartition(4, 0);
  const writer = await openKafkaLogWriter({ settings, partitions: 5, logging: silent });
  await writer.append([numbered(4, 0, 3)]);
  await writer.close();
  assert.deepEqual(await owner.read(4, 0, 3), [0, 1, 2]);
  assert.equal(owner.reader.partitions, 5);
}));

Deno.test(kafka.test("reportStored() shows the offsets to lag tools", async () => {
  const settings = kafkaSettings(kafka.bootstrap);
  await makeTopic(settings, 2);
  const writer = await openKafkaLogWriter({ settings, partitions: 2, logging: silent });
  await writer.append([numbered(0, 0, 9), numbered(1, 0, 9)]);
  await writer.close();
  {
    await using member = await new GroupMember(settings, 2).join();
    await member.reader.reportStored(new Map([[0, 7], [1, 3]]));
    await member.reader.reportStored(new Map());
    // Not its own: refused by the group, logged, no reason to fail.
    const before = member.warnings.length;
    await member.reader.reportStored(new Map([[9, 1]]));
    assert.ok(member.warnings.length > before);
  }
  const offsets = await withAdmin(
    settings,
    (admin) => admin.fetchOffsets({ groupId: settings.group, topics: [settings.topic] }),
  );
  const stored = offsets[0].partitions.map(({ partition, offset }) => [partition, offset]);
  assert.deepEqual(stored, [[0, "7"], [1, "3"]]);
}));

Deno.test(kafka.test("join() rejects when the reader is closed before", async () => {
  const settings = kafkaSettings("127.0.0.1:1");
  const member = new GroupMember(settings, 1);
  const joined = member.reader.join(() => {});
  const rejected = assert.rejects(joined, LogError);
  await member.reader.close();
  await rejected;
  await assert.rejects(member.reader.join(() => {}), LogError);
}));

Deno.test(
  kafka.test("join() goes on trying when the client gives up, and tells of it", async () => {
    const settings = kafkaSettings(kafka.bootstrap);
    await makeTopic(settings, 2);
    // A member of another kind: as long as it is there the group has no way to deal in common.
    const client = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING });
    const other = client.consumer({ groupId: settings.group });
    await other.subscribe({ topic: settings.topic });
    const joined = new Promise((resolve) => other.on(other.events.GROUP_JOIN, resolve));
    await other.run({ eachMessage: () => Promise.resolve() });
    await withDeadline(joined, { what: "the other member" });
    await using member = new GroupMember(settings, 2);
    const own = member.join();
    await waitUntil(() => member.crashes.length >= 2, { what: "crashes" });
    assert.deepEqual(member.generations, []);
    await other.disconnect();
    await own;
    assert.deepEqual(member.generations, [[0, 1]]);
  }),
);
