import assert from "node:assert/strict";
import { AppendSignal } from "./append_signal.ts";

Deno.test("appended() resolves once something was announced after the token", async () => {
  const signal = new AppendSignal();
  const token = signal.token();
  let woken = false;
  const wait = signal.appended(token).then(() => woken = true);
  assert.ok(signal.isAwaited);
  await Promise.resolve();
  assert.equal(woken, false);
  signal.announce();
  await wait;
  assert.equal(signal.isAwaited, false);
  await signal.appended(token);
  const later = signal.appended(signal.token());
  signal.close();
  await later;
  await signal.appended(signal.token());
});
