import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type Assigner, AssignerProtocol, type Cluster, type Logger } from "kafkajs";
import { dealPartitions, stickyAssigner, type StickyMember } from "./sticky_assigner.ts";

const members = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 3 }),
    owned: fc.array(fc.nat(12), { maxLength: 12 }),
    since: fc.nat(3),
  }),
  { minLength: 1, maxLength: 5, selector: ({ id }) => id },
);

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, partition) => partition);
}

Deno.test("dealPartitions() gives each partition to one member, evenly", () => {
  fc.assert(fc.property(fc.nat(13), members, (count, group) => {
    const dealt = dealPartitions(upTo(count), group);
    assert.deepEqual([...dealt.keys()].sort(), group.map(({ id }) => id).sort());
    assert.deepEqual([...dealt.values()].flat().sort((a, b) => a - b), upTo(count));
    const sizes = [...dealt.values()].map((own) => own.length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    for (const own of dealt.values()) assert.deepEqual(own, own.toSorted((a, b) => a - b));
  }));
});

Deno.test("dealPartitions() moves no more partitions than any even deal must", () => {
  // Every partition has one holder at most: claims do not contradict each other.
  const holders = fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 7 });
  fc.assert(
    fc.property(holders, fc.integer({ min: 1, max: 4 }), (holderOf, count) => {
      const group = upTo(count).map((member): StickyMember => ({
        id: `m${member}`,
        owned: upTo(holderOf.length).filter((partition) => holderOf[partition] === member),
        since: 1,
      }));
      const dealt = dealPartitions(upTo(holderOf.length), group);
      let kept = 0;
      for (const { id, owned } of group) {
        kept += dealt.get(id)!.filter((partition) => owned.includes(partition)).length;
      }
      assert.equal(kept, mostKept(holderOf.length, group));
    }),
    { numRuns: 300 },
  );
});

/** Over all ways to share sizes evenly: how many partitions can stay where they are. */
function mostKept(partitions: number, group: readonly StickyMember[]): number {
  const least = Math.floor(partitions / group.length);
  const extra = partitions % group.length;
  let most = 0;
  for (let chosen = 0; chosen < 2 ** group.length; chosen++) {
    const more = upTo(group.length).filter((member) => (chosen >> member) & 1);
    if (more.length !== extra) continue;
    const kept = group.reduce(
      (sum, { owned }, member) =>
        sum + Math.min(owned.length, least + (more.includes(member) ? 1 : 0)),
      0,
    );
    most = Math.max(most, kept);
  }
  return most;
}

Deno.test("dealPartitions() believes the latest of two that claim a partition", () => {
  const dealt = dealPartitions([0, 1, 2, 3], [
    { id: "a", owned: [0, 1], since: 1 },
    { id: "b", owned: [0, 1], since: 2 },
  ]);
  assert.deepEqual(Object.fromEntries(dealt), { a: [2, 3], b: [0, 1] });
});

Deno.test("dealPartitions() does not depend on the order of members", () => {
  fc.assert(fc.property(fc.nat(13), members, (count, group) => {
    const dealt = dealPartitions(upTo(count), group);
    const turned = dealPartitions(upTo(count), group.toReversed());
    for (const [id, own] of dealt) assert.deepEqual(turned.get(id), own);
  }));
});

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

function assignerOf(partitions: number, owned: readonly number[]): Assigner {
  const cluster = {
    findTopicPartitionMetadata: () => upTo(partitions).map((partitionId) => ({ partitionId })),
  } as unknown as Cluster;
  const make = stickyAssigner(() => ({ owned, since: 1 }));
  return make({ cluster, groupId: "g", logger: {} as Logger });
}

Deno.test("stickyAssigner() carries shares through kafkajs's messages", async () => {
  const [holder, newcomer] = [assignerOf(4, [0, 1, 2, 3]), assignerOf(4, [])];
  const group = [
    { memberId: "new", memberMetadata: newcomer.protocol({ topics: ["t"] }).metadata },
    { memberId: "old", memberMetadata: holder.protocol({ topics: ["t"] }).metadata },
  ];
  const dealt = await newcomer.assign({ members: group, topics: ["t"] });
  const own = Object.fromEntries(dealt.map(({ memberId, memberAssignment }) => {
    return [memberId, MemberAssignment.decode(memberAssignment)?.assignment.t];
  }));
  assert.deepEqual(own, { new: [2, 3], old: [0, 1] });
});

Deno.test("stickyAssigner() takes a member that says nonsense for one without partitions", async () => {
  const assigner = assignerOf(2, [0, 1]);
  const says = (text: string) =>
    MemberMetadata.encode({ version: 1, topics: ["t"], userData: Buffer.from(text) });
  const texts = ["", "{", '{"owned":["x"],"since":1}', '{"owned":5,"since":1}', "null"];
  for (const text of texts) {
    const dealt = await assigner.assign({
      members: [
        { memberId: "a", memberMetadata: says(text) },
        { memberId: "b", memberMetadata: assigner.protocol({ topics: ["t"] }).metadata },
      ],
      topics: ["t"],
    });
    assert.equal(dealt.length, 2);
  }
});
