import assert from "node:assert/strict";
import fc from "fast-check";
import { METRIC_EVENT_TYPES_MAX } from "../config/limits.ts";
import { EventTypeLabels, OTHER_SLOT } from "./event_type_labels.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("slotOf() gives every type one slot of its own until the limit, then `other`", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, unit: "grapheme" })), (types) => {
      const labels = new EventTypeLabels();
      for (const type of types) {
        const key = encode(`..${type}..`);
        const slot = labels.slotOf(key, 2, key.length - 2);
        assert.equal(labels.names[slot], type);
        assert.equal(labels.slotOfName(type), slot);
      }
      assert.equal(labels.names.length, new Set([...types, "other"]).size);
    }),
    { numRuns: 200 },
  );
});

Deno.test("slotOf() gives `other` when the limit of types is reached", () => {
  const labels = new EventTypeLabels();
  for (let i = 0; i < METRIC_EVENT_TYPES_MAX; i++) assert.notEqual(labels.slotOfName(`t${i}`), 0);
  const key = encode("one too many");
  assert.equal(labels.slotOf(key, 0, key.length), OTHER_SLOT);
  assert.equal(labels.slotOfName("one too many"), OTHER_SLOT);
  assert.equal(labels.names.length, METRIC_EVENT_TYPES_MAX + 1);
  assert.equal(labels.names[labels.slotOfName("t99")], "t99");
});

Deno.test("slotOf() keeps `other` a single label when a client sends that very type", () => {
  const labels = new EventTypeLabels();
  assert.equal(labels.slotOf(encode("other"), 0, 5), OTHER_SLOT);
  assert.deepEqual(labels.names, ["other"]);
});
