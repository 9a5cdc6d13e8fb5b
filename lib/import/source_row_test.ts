import assert from "node:assert/strict";
import { deriveId } from "./source_row.ts";

Deno.test("deriveId() gives the same id for text and for its bytes", () => {
  const text = '{"user_id":"ada é"}';
  assert.equal(deriveId("f", 3, text), deriveId("f", 3, new TextEncoder().encode(text)));
});

Deno.test("deriveId() keeps its ids when the program changes", () => {
  // Ids of a year ago must still be these: an import that goes on would double its rows otherwise.
  assert.equal(deriveId("f", 3, "{}"), "imp-d90b75fba2f27ed2a33c0d9121acdd4e");
});

Deno.test("deriveId() gives another id when file, row or content differ", () => {
  const ids = [deriveId("f", 1, "a"), deriveId("g", 1, "a"), deriveId("f", 2, "a")];
  assert.equal(new Set([...ids, deriveId("f", 1, "b")]).size, 4);
});
