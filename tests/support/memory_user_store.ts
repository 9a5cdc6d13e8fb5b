/** A PartitionStore over a list of events of one user, for tests of what is made of such reads. */
import type { PartitionStore, StoredEvent } from "../../lib/store/event_store.ts";
import { sessionParts } from "./session_parts.ts";

/** The hash under which the events' user is found. */
const USER_HASH = [1, 2];

/**
 * Holds the events of the user with the hash [1, 2]. Sessions are the given ones, each with a hash
 * of its name. Only the reads of one user are there.
 */
export function memoryUserStore(
  partition: number,
  given: readonly StoredEvent[],
): PartitionStore & { readonly reads: number } {
  let reads = 0;
  const store: Partial<PartitionStore> & { readonly reads: number } = {
    partition,
    nextSeq: given.reduce((next, { seq }) => Math.max(next, seq + 1), 0),
    get reads() {
      return reads;
    },
    sessionParts({ userHash, fromSeq, toSeq, fromMs, toMs }, onParts) {
      reads++;
      if (userHash.join() !== USER_HASH.join()) return Promise.resolve();
      const rows = given.filter(({ seq, timestampMs }) =>
        seq >= fromSeq && seq < toSeq && timestampMs >= fromMs && timestampMs < toMs
      );
      onParts(sessionParts(rows.map((event) => ({ ...event, session: hashOf(event.sessionId) }))));
      return Promise.resolve();
    },
    sessionIds({ seqs }) {
      const idOf = new Map(given.map(({ seq, sessionId }) => [seq, sessionId]));
      return Promise.resolve(new Map(seqs.map((seq) => [seq, idOf.get(seq)!])));
    },
    userEvents({ fromMs, toMs, before, limit, userHash }) {
      if (userHash?.join() !== USER_HASH.join()) return Promise.resolve([]);
      const events = given.filter(({ seq, timestampMs }) =>
        timestampMs >= fromMs && timestampMs < toMs &&
        (before === null || timestampMs < before.timestampMs ||
          (timestampMs === before.timestampMs && seq < before.seq))
      );
      return Promise.resolve(
        events.sort((a, b) => b.timestampMs - a.timestampMs || b.seq - a.seq).slice(0, limit),
      );
    },
  };
  return store as PartitionStore & { readonly reads: number };
}

function hashOf(text: string): [low: number, high: number] {
  let low = 7, high = 11;
  for (const letter of text) {
    low = Math.imul(low ^ letter.codePointAt(0)!, 0x01000193) >>> 0;
    high = Math.imul(high + low, 0x85ebca6b) >>> 0;
  }
  return [low, high];
}
