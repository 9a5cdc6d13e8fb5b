import assert from "node:assert/strict";
import { traceIdOf, traceparentOf } from "./trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

Deno.test("traceparentOf() takes what is well formed, and of later versions what is known", () => {
  const whole = `00-${TRACE}-${SPAN}-01`;
  assert.equal(traceparentOf(whole), whole);
  assert.equal(traceIdOf(whole), TRACE);
  assert.equal(traceparentOf(`cc-${TRACE}-${SPAN}-01`), whole);
  assert.equal(traceparentOf(`cc-${TRACE}-${SPAN}-01-what-comes-then`), whole);
});

Deno.test("traceparentOf() takes nothing when it is not well formed", () => {
  const bad = [
    "",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-1`,
    ` 00-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01\n`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ];
  for (const text of [null, ...bad]) assert.equal(traceparentOf(text), null, String(text));
});
