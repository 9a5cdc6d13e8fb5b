import assert from "node:assert/strict";
import { FakeClock, settled } from "../../tests/support/client_scene.ts";
import { ChannelPool, type PoolOptions } from "./grpc_pool.ts";

/** A connection that says what it was asked. */
class FakeChannel {
  isOpen = true;
  pings = 0;
  answersPings = true;

  ping(): Promise<void> {
    this.pings++;
    return this.answersPings ? Promise.resolve() : new Promise(() => {});
  }

  close(): void {
    this.isOpen = false;
  }
}

function openPool(options: PoolOptions = {}) {
  const clock = new FakeClock();
  const made: FakeChannel[] = [];
  const connect = () => {
    const channel = new FakeChannel();
    made.push(channel);
    return Promise.resolve(channel);
  };
  return { pool: new ChannelPool({ clock, connect }, options), clock, made };
}

/** A call that goes on until it is ended. */
function openCall(pool: ChannelPool<FakeChannel>) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const used = Promise.withResolvers<FakeChannel>();
  const done = pool.use((channel) => {
    used.resolve(channel);
    return promise;
  });
  return { used: used.promise, end: () => (resolve(), done) };
}

Deno.test("use() opens connections as calls need them, up to the size", async () => {
  const { pool, made } = openPool({ poolSize: 2 });
  const calls = [];
  for (let i = 0; i < 5; i++) calls.push(openCall(pool));
  const used = await Promise.all(calls.map((call) => call.used));
  assert.equal(made.length, 2);
  assert.deepEqual(made.map((each) => used.filter((one) => one === each).length), [3, 2]);
  await Promise.all(calls.map((call) => call.end()));
  await pool.use(() => Promise.resolve());
  assert.equal(made.length, 2, "a free connection is used again");
  pool.close();
  assert.deepEqual(made.map(({ isOpen }) => isOpen), [false, false]);
  await assert.rejects(pool.use(() => Promise.resolve()), { code: "client_closed" });
});

Deno.test("use() opens a new connection in place of one that broke", async () => {
  const { pool, made } = openPool({ poolSize: 1 });
  await pool.use(() => Promise.resolve());
  made[0].isOpen = false;
  assert.equal(pool.connections, 0);
  const used = await pool.use((channel) => Promise.resolve(channel));
  assert.equal(used, made[1]);
  pool.close();
});

Deno.test("use() rejects when connecting fails, and tries anew at the next call", async () => {
  const clock = new FakeClock();
  let fails = true;
  const connect = () =>
    fails ? Promise.reject(new Error("refused")) : Promise.resolve(new FakeChannel());
  const pool = new ChannelPool({ clock, connect }, {});
  await assert.rejects(pool.use(() => Promise.resolve()), { message: "refused" });
  fails = false;
  assert.equal(await pool.use(() => Promise.resolve("done")), "done");
  pool.close();
  assert.deepEqual(clock.waits, []);
});

Deno.test("a connection without calls is closed after its idle time, one with a call is not", async () => {
  const { pool, clock, made } = openPool({ idleMs: 1_000, keepaliveMs: 300 });
  const call = openCall(pool);
  await call.used;
  await clock.advance(5_000);
  assert.equal(made[0].isOpen, true);
  assert.ok(made[0].pings >= 15);
  await call.end();
  await clock.advance(999);
  assert.equal(made[0].isOpen, true);
  await clock.advance(300);
  assert.equal(made[0].isOpen, false);
  assert.deepEqual(clock.waits, []);
});

Deno.test("a connection that does not answer its ping is closed, and its calls with it", async () => {
  const { pool, clock, made } = openPool({ keepaliveMs: 300, keepaliveTimeoutMs: 100 });
  const call = openCall(pool);
  await call.used;
  made[0].answersPings = false;
  await clock.advance(399);
  assert.equal(made[0].isOpen, true);
  await clock.advance(1);
  assert.equal(made[0].isOpen, false);
  await settled();
  assert.equal(pool.connections, 0);
  await call.end();
  assert.deepEqual(clock.waits, []);
});
