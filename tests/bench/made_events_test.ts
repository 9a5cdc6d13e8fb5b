/** The load of the benches. */
import assert from "node:assert/strict";
import { lineStarts, madeLines, RenewableEvents } from "./made_events.ts";

Deno.test("renew() gives every event of a request a new id and time, and changes nothing else", () => {
  const lines = madeLines(50, 7, 1_790_000_000_000);
  const before = parse(lines);
  const request = new RenewableEvents(lines);
  assert.equal(request.events, 50);
  assert.equal(lineStarts(lines).length, 50);
  request.renew(9_876_543, 1_791_234_567_890);
  parse(request.bytes).forEach((event, index) => {
    const id = `g7-${String(9_876_543 + index).padStart(10, "0")}`;
    assert.deepEqual(event, { ...before[index], id, timestamp: 1_791_234_567_890 });
  });
});

function parse(lines: Uint8Array): Record<string, unknown>[] {
  const text = new TextDecoder().decode(lines).trimEnd();
  return text.split("\n").map((line) => JSON.parse(line));
}
