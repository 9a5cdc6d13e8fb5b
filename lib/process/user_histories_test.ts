import assert from "node:assert/strict";
import type { SessionPartChunk } from "../query/user/session_part.ts";
import type { PartitionStore, StoredEvent } from "../store/event_store.ts";
import { memoryUserStore } from "../../tests/support/memory_user_store.ts";
import { UserHistories, type UserName } from "./user_histories.ts";

const ANN: UserName = { project: "shop", userId: "ann", hash: [1, 2] };
const never = new AbortController().signal;
const BYTES = 1_000_000;

function eventAt(seq: number): StoredEvent {
  return {
    seq,
    id: `e${seq}`,
    userId: "ann",
    type: seq % 2 === 0 ? "view" : "purchase",
    category: 4,
    timestampMs: 1_000_000 + 60_000 * seq,
    receivedAtMs: 0,
    sessionId: `s${Math.floor(seq / 3)}`,
    source: null,
    properties: "{}",
    amount: 1,
  };
}

/** A store that rows come to. */
class GrowingStore {
  readonly events: StoredEvent[] = [];
  reads = 0;
  /** Set: the next read gives its rows and then fails with this. */
  failure: Error | null = null;

  get nextSeq(): number {
    return this.events.length;
  }

  add(count: number): void {
    for (let i = 0; i < count; i++) this.events.push(eventAt(this.events.length));
  }

  async sessionParts(
    query: Parameters<PartitionStore["sessionParts"]>[0],
    onParts: (parts: SessionPartChunk) => void,
  ): Promise<void> {
    this.reads++;
    const { failure } = this;
    this.failure = null;
    await memoryUserStore(0, this.events).sessionParts(query, onParts);
    await Promise.resolve();
    if (failure !== null) throw failure;
  }
}

function open(bytesMax = BYTES) {
  const store = new GrowingStore();
  const kept = new UserHistories(bytesMax);
  const of = (user: UserName, signal: AbortSignal) => {
    return kept.of(store as unknown as PartitionStore, user, signal);
  };
  return { store, kept, histories: { of } };
}

Deno.test("UserHistories.of() reads a user's rows once, and later those that came since", async () => {
  const { store, histories } = open();
  store.add(5);
  assert.equal((await histories.of(ANN, never)).events, 5);
  await histories.of(ANN, never);
  assert.equal(store.reads, 1);
  store.add(4);
  const history = await histories.of(ANN, never);
  assert.deepEqual([history.events, history.sessions.count, store.reads], [9, 3, 2]);
  assert.deepEqual([history.activity.transactions, history.activity.revenue], [4, 4]);
});

Deno.test("UserHistories.of() counts each row once when many ask at the same time", async () => {
  const { store, histories } = open();
  store.add(50);
  const asked = Array.from({ length: 8 }, () => histories.of(ANN, never));
  store.add(1);
  const late = histories.of(ANN, never);
  for (const each of asked) assert((await each).events >= 50);
  assert.equal((await late).events, 51);
  assert(store.reads <= 2, `${store.reads} reads`);
});

Deno.test("UserHistories.of() forgets what a failed reading has counted", async () => {
  const { store, histories } = open();
  store.add(3);
  store.failure = new Error("the store is gone");
  const first = histories.of(ANN, never);
  const second = histories.of(ANN, never);
  await assert.rejects(first, /the store is gone/);
  assert.equal((await second).events, 3);
  const gone = AbortSignal.abort(new Error("enough"));
  store.failure = new Error("told to end");
  store.add(1);
  await assert.rejects(histories.of(ANN, gone));
  assert.equal((await histories.of(ANN, never)).events, 4);
});

Deno.test("UserHistories keeps the users asked for last within its bytes", async () => {
  const { store, kept, histories } = open(20_000);
  store.add(10);
  await histories.of(ANN, never);
  for (let user = 0; user < 100; user++) {
    await histories.of({ ...ANN, hash: [user, 7] }, never);
    if (user % 5 === 0) await histories.of(ANN, never);
    assert(kept.byteSize <= 20_000, `${kept.byteSize} bytes`);
  }
  assert(kept.size > 2 && kept.size < 100);
  const { reads } = store;
  await histories.of(ANN, never);
  assert.equal(store.reads, reads, "the user asked for again and again is kept");
});

Deno.test("UserHistories forgets no other user for one who would take most of the bytes", async () => {
  const { store, kept, histories } = open(4_000);
  store.add(3);
  await histories.of(ANN, never);
  const { reads } = store;
  const others = new GrowingStore();
  others.add(1_000);
  for (let asked = 0; asked < 2; asked++) {
    const large = await kept.of(others as unknown as PartitionStore, ANN, never);
    assert.equal(large.events, 1_000, "the same user in another store is another one");
  }
  await histories.of(ANN, never);
  assert.deepEqual([store.reads, others.reads, kept.size], [reads, 2, 1]);
});
