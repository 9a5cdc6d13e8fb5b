import assert from "node:assert/strict";
import { waitUntil } from "../../../tests/support/deadline.ts";
import { MemoryTrim } from "./memory_trim.ts";

/** Reads after which memory is trimmed, and how long after the last of them, ms. */
const READS = 64;
const CALM_MS = 1_000;

Deno.test("MemoryTrim trims after many reads, once none was made for a second", async () => {
  const trimmed = Promise.withResolvers<number>();
  const trim = new MemoryTrim(() => {
    trim.begun();
    trimmed.resolve(performance.now());
    return Promise.resolve();
  });
  for (let read = 0; read < READS; read++) trim.afterRead();
  const manyAt = performance.now();
  const isHalfway = () => performance.now() - manyAt > CALM_MS / 2;
  await waitUntil(isHalfway, { what: "half of the calm", deadlineMs: 10 * CALM_MS });
  const lastReadAt = performance.now();
  trim.afterRead();
  const waitedMs = await trimmed.promise - lastReadAt;
  // Where the machine stood still for so long, memory was trimmed before that read.
  const isCalm = waitedMs > CALM_MS - 2 || lastReadAt - manyAt > CALM_MS;
  assert(isCalm, `trimmed ${waitedMs} ms after a read`);
  trim.stop();
});

Deno.test("MemoryTrim leaves no timer behind after few reads, nor after stop()", () => {
  const never = () => Promise.reject(new Error("trimmed"));
  const few = new MemoryTrim(never), many = new MemoryTrim(never);
  for (let read = 1; read < READS; read++) few.afterRead();
  for (let read = 0; read < READS; read++) many.afterRead();
  many.stop();
});
