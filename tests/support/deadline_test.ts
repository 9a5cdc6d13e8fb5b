/** Waiting with a deadline. */
import assert from "node:assert/strict";
import { waitUntil, withDeadline } from "./deadline.ts";

Deno.test("waitUntil() returns the value when the condition holds", async () => {
  let asked = 0;
  const value = await waitUntil(() => (++asked === 3 ? "there" : null), { what: "the third" });
  assert.equal(value, "there");
  assert.equal(asked, 3);
});

Deno.test("waitUntil() names what it waited for when the deadline passes", async () => {
  const wait = waitUntil(() => false, { what: "the port", deadlineMs: 1 });
  await assert.rejects(wait, /the port: not within 1 ms/);
});

Deno.test("withDeadline() gives the promise's value, or its error, when it is in time", async () => {
  assert.equal(await withDeadline(Promise.resolve(7), { what: "seven" }), 7);
  const failed = withDeadline(Promise.reject(new Error("no")), { what: "seven" });
  await assert.rejects(failed, /no/);
});

Deno.test("withDeadline() names what it waited for when the deadline passes", async () => {
  const never = withDeadline(new Promise(() => {}), { what: "the end", deadlineMs: 1 });
  await assert.rejects(never, /the end: not within 1 ms/);
});
