import assert from "node:assert/strict";
import { HOLDING_QUIET_MS } from "../config/limits.ts";
import { DrainGate } from "./drain_gate.ts";

const LONG_MS = 60_000;
const request = () => new Request("http://test/");

/** A handler whose answers come when the test says. */
class Handled {
  readonly gate = new DrainGate();
  readonly #work = Promise.withResolvers<void>();
  readonly ask = this.gate.guard(async () => {
    await this.#work.promise;
    return new Response("done");
  });

  finishWork(): void {
    this.#work.resolve();
  }
}

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  return await Promise.race([promise, Promise.resolve().then(() => open)]) !== open;
}

Deno.test("DrainGate.guard() changes nothing when the gate is open", async () => {
  const handled = new Handled();
  handled.finishWork();
  const response = await handled.ask(request());
  assert.equal(await response.text(), "done");
  assert.equal(response.headers.get("connection"), null);
});

Deno.test("DrainGate.guard() holds answers from hold() to release() and ends connections", async () => {
  const handled = new Handled();
  const before = handled.ask(request());
  const holding = handled.gate.hold(LONG_MS);
  const after = handled.ask(request());
  handled.finishWork();
  await holding;
  assert.equal(await isSettled(before), false);
  assert.equal(await isSettled(after), false);
  handled.gate.release();
  for (const response of [await before, await after]) {
    assert.equal(response.headers.get("connection"), "close");
  }
});

Deno.test("DrainGate.hold() waits until a request under way is handled", async () => {
  const handled = new Handled();
  const answer = handled.ask(request());
  const holding = handled.gate.hold(LONG_MS);
  // The quiet time has passed once that of another gate has, which began later.
  await new DrainGate().hold(LONG_MS);
  assert.equal(await isSettled(holding), false);
  handled.finishWork();
  await holding;
  handled.gate.release();
  await answer;
});

Deno.test("DrainGate.hold() gives up a request that is not handled in time", async () => {
  const handled = new Handled();
  const answer = handled.ask(request());
  await handled.gate.hold(HOLDING_QUIET_MS + 1);
  handled.gate.release();
  handled.finishWork();
  assert.equal((await answer).headers.get("connection"), "close");
});
