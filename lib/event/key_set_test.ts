import { strict as assert } from "node:assert";
import fc from "fast-check";
import { KeySet } from "./key_set.ts";
import { encodeUtf8 } from "./text_coding.ts";

/** Adds the keys as they stand in an object's text, until one is refused; gives how many it took. */
function addAll(keys: readonly string[], set: KeySet): number {
  const bytes = encodeUtf8(keys.map((key) => `"${key}":1,`).join(""));
  let at = 0;
  let added = 0;
  for (const key of keys) {
    const end = at + 1 + encodeUtf8(key).length;
    if (!set.add(bytes, at + 1, end)) return added;
    added++;
    at = end + 4;
  }
  return added;
}

Deno.test("KeySet.add() refuses the first key that comes twice when keys are any", () => {
  const key = fc.oneof(fc.stringMatching(/^[ab]{0,4}$/), fc.stringMatching(/^[a-zé]{0,300}$/));
  fc.assert(
    fc.property(fc.array(key, { maxLength: 30 }), (keys) => {
      const firstTwice = keys.findIndex((key, index) => keys.indexOf(key) < index);
      assert.equal(addAll(keys, new KeySet(30)), firstTwice < 0 ? keys.length : firstTwice);
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("KeySet.add() refuses when the set is full, and takes keys again when cleared", () => {
  const set = new KeySet(3);
  assert.equal(addAll(["a", "b", "c", "d"], set), 3);
  set.clear();
  assert.equal(addAll(["a", "b", "c"], set), 3);
});

Deno.test("KeySet.add() gives up when many keys are made to look alike", () => {
  const keys = Array.from({ length: 40 }, (_, n) => `a${String(n).padStart(2, "0")}-----------z`);
  const added = addAll(keys, new KeySet(100));
  assert.ok(added > 8 && added < 40, String(added));
});
