import { strict as assert } from "node:assert";
import { EVENT_REASONS, REASONS, REQUEST_REASONS } from "./reasons.ts";

Deno.test("REASONS holds every reason once when both lists are joined", () => {
  const count = Object.keys(EVENT_REASONS).length + Object.keys(REQUEST_REASONS).length;
  assert.equal(Object.keys(REASONS).length, count);
});

Deno.test("REASONS has a label, an error status and a sentence when a reason is any", () => {
  for (const [code, { status, message }] of Object.entries(REASONS)) {
    assert.match(code, /^[a-z0-9]+(_[a-z0-9]+)*$/);
    assert.ok(status >= 400 && status < 600, code);
    assert.match(message, /^[a-z].*[^.]$/, code);
  }
});
