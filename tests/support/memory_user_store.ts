/** A PartitionStore over a list of events of one user, for tests of what is made of such reads. */
import type { PartitionStore, StoredEvent } from "../../lib/store/event_store.ts";

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
  const types = [...new Set(given.map(({ type }) => type))];
  let reads = 0;
  const store: Partial<PartitionStore> & { readonly reads: number } = {
    partition,
    nextSeq: given.reduce((next, { seq }) => Math.max(next, seq + 1), 0),
    get reads() {
      return reads;
    },
    userRows({ userHash, fromSeq, toSeq, fromMs, toMs }, onRows) {
      reads++;
      if (userHash.join() !== USER_HASH.join()) return Promise.resolve();
      const rows = given.filter(({ seq, timestampMs }) =>
        seq >= fromSeq && seq < toSeq && timestampMs >= fromMs && timestampMs < toMs
      );
      onRows({
        count: rows.length,
        seq: Float64Array.from(rows, ({ seq }) => seq),
        series: Int32Array.from(rows, ({ type }) => types.indexOf(type)),
        category: Uint8Array.from(rows, ({ category }) => category),
        timestampMs: Float64Array.from(rows, ({ timestampMs }) => timestampMs),
        sessionHash: Uint32Array.from(rows.flatMap(({ sessionId }) => hashOf(sessionId))),
        amount: Float64Array.from(rows, ({ amount }) => amount ?? NaN),
        sessionIdOf: (row) => rows[row].sessionId,
        types: new Map(types.map((type, series) => [series, type])),
      });
      return Promise.resolve();
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
