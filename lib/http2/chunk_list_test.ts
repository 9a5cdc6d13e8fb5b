import assert from "node:assert/strict";
import fc from "fast-check";
import { ChunkList } from "./chunk_list.ts";

Deno.test("take() and shift() give the bytes in order, whatever the pieces", () => {
  const steps = fc.array(fc.oneof(
    fc.record({ push: fc.uint8Array({ maxLength: 3_000 }) }),
    fc.record({ take: fc.nat(2_000) }),
    fc.record({ shift: fc.constant(true) }),
  ));
  fc.assert(fc.property(steps, (all) => {
    const list = new ChunkList();
    let model: number[] = [];
    for (const step of all) {
      if ("push" in step) {
        list.push(step.push);
        model.push(...step.push);
      } else if ("take" in step) {
        const length = Math.min(step.take, model.length);
        assert.deepEqual([...list.take(length)], model.slice(0, length));
        model = model.slice(length);
      } else {
        const bytes = list.shift() ?? new Uint8Array(0);
        assert.equal(bytes.length > 0, model.length > 0);
        assert.deepEqual([...bytes], model.slice(0, bytes.length));
        model = model.slice(bytes.length);
      }
      assert.equal(list.bytes, model.length);
    }
    assert.equal(list.clear(), model.length);
    assert.equal(list.shift(), undefined);
  }));
});

Deno.test("push() keeps single bytes together", () => {
  const list = new ChunkList();
  for (let i = 0; i < 100_000; i++) list.push(Uint8Array.of(i));
  assert.ok(list.buffers < 30, `${list.buffers} buffers`);
});
