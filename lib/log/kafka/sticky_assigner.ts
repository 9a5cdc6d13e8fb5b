/**
 * Deals the partitions of the topic to the members of the group: evenly, and so that as few as
 * possible change hands. Each member says what it holds and since when; the member that Kafka chose
 * as leader decides for all.
 *
 *     user data of a member, JSON in UTF-8:  {"owned": [0, 2], "since": 1767225600000}
 */
import { Buffer } from "node:buffer";
import { type Assigner, AssignerProtocol, type PartitionAssigner } from "kafkajs";

/** One member, as it describes itself. */
export interface StickyMember {
  readonly id: string;
  /** Partitions that it was given last, as it says. */
  readonly owned: readonly number[];
  /** When they were given, ms since the epoch: of two that claim a partition, the later is right. */
  readonly since: number;
}

/** What a member tells of itself when it joins. */
export type OwnShare = Pick<StickyMember, "owned" | "since">;

/** All members of a group must offer the same. */
const NAME = "rta-sticky";
const VERSION = 1;
const { MemberAssignment, MemberMetadata } = AssignerProtocol;

/**
 * The partitions of each member, ascending. Any two members differ by one partition at most, and no
 * other even deal leaves more partitions with the members that hold them.
 */
export function dealPartitions(
  partitions: readonly number[],
  members: readonly StickyMember[],
): Map<string, number[]> {
  const held = heldPartitions(new Set(partitions), members);
  // Those who hold most keep one more where the deal is not even; ties go by name.
  const order = [...held].sort(([a, as], [b, bs]) =>
    bs.length - as.length || (a < b ? -1 : a > b ? 1 : 0)
  );
  const least = Math.floor(partitions.length / order.length);
  const extra = partitions.length % order.length;
  const dealt = new Map(order.map(([id, own], index) => {
    return [id, own.slice(0, least + (index < extra ? 1 : 0))];
  }));
  const kept = new Set([...dealt.values()].flat());
  const free = partitions.filter((partition) => !kept.has(partition)).sort((a, b) => a - b);
  order.forEach(([id], index) => {
    const own = dealt.get(id)!;
    while (own.length < least + (index < extra ? 1 : 0)) own.push(free.shift()!);
    own.sort((a, b) => a - b);
  });
  return dealt;
}

/** What each member really holds: of several claims to a partition the latest counts. */
function heldPartitions(
  partitions: ReadonlySet<number>,
  members: readonly StickyMember[],
): Map<string, number[]> {
  const holders = new Map<number, StickyMember>();
  for (const member of members) {
    for (const partition of member.owned) {
      const other = holders.get(partition);
      const later = other === undefined || member.since > other.since ||
        (member.since === other.since && member.id < other.id);
      if (partitions.has(partition) && later) holders.set(partition, member);
    }
  }
  const held = new Map<string, number[]>(members.map(({ id }) => [id, []]));
  for (const [partition, { id }] of holders) held.get(id)!.push(partition);
  for (const own of held.values()) own.sort((a, b) => a - b);
  return held;
}

/** The assigner of one member; `ownShare` is asked at each join. */
export function stickyAssigner(ownShare: () => OwnShare): PartitionAssigner {
  return ({ cluster }): Assigner => ({
    name: NAME,
    version: VERSION,
    protocol({ topics }) {
      const userData = Buffer.from(JSON.stringify(ownShare()));
      return {
        name: NAME,
        metadata: MemberMetadata.encode({ version: VERSION, topics, userData }),
      };
    },
    assign({ members, topics: [topic] }) {
      const partitions = cluster.findTopicPartitionMetadata(topic).map((each) => each.partitionId);
      const described = members.map(({ memberId, memberMetadata }) => ({
        id: memberId,
        ...readShare(memberMetadata),
      }));
      const dealt = dealPartitions(partitions, described);
      return Promise.resolve([...dealt].map(([memberId, own]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: VERSION,
          assignment: { [topic]: own },
          userData: Buffer.alloc(0),
        }),
      })));
    },
  });
}

/** Whatever a member wrote there: nonsense means that it holds nothing. */
function readShare(memberMetadata: Buffer): OwnShare {
  try {
    const text = MemberMetadata.decode(memberMetadata)?.userData?.toString("utf8") ?? "";
    const { owned, since } = JSON.parse(text) as Partial<OwnShare>;
    if (Array.isArray(owned) && owned.every(Number.isInteger) && typeof since === "number") {
      return { owned, since };
    }
  } catch {
    // Not JSON: another version of ourselves, or a first join.
  }
  return { owned: [], since: 0 };
}
