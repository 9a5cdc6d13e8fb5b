import assert from "node:assert/strict";
import { Places } from "./places.ts";

const NEVER = new AbortController().signal;

Deno.test("Places.take() gives places in turn when they are taken", async () => {
  const places = new Places(1);
  const order: number[] = [];
  const leave = await places.take(NEVER);
  const waiting = [1, 2].map(async (number) => {
    const next = await places.take(NEVER);
    order.push(number);
    next();
  });
  await Promise.resolve();
  assert.deepEqual(order, []);
  leave();
  await Promise.all(waiting);
  assert.deepEqual(order, [1, 2]);
});

Deno.test("Places.take() rejects and leaves the queue when it is aborted while it waits", async () => {
  const places = new Places(1);
  const leave = await places.take(NEVER);
  const stop = new AbortController();
  const given = places.take(stop.signal);
  const next = places.take(NEVER);
  stop.abort(new Error("enough"));
  await assert.rejects(given, /^Error: enough$/);
  leave();
  (await next)();
  await assert.rejects(places.take(stop.signal), /^Error: enough$/);
  (await places.take(NEVER))();
});
