import assert from "node:assert/strict";
import { UuidV7Maker } from "./uuid_v7.ts";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

Deno.test("make() gives version 7 ids with their time in front when asked again and again", () => {
  const maker = new UuidV7Maker();
  const nowMs = Date.parse("2026-01-31T12:00:00.123Z");
  for (let i = 0; i < 5_000; i++) {
    const id = maker.make(nowMs + i);
    assert.match(id, FORM);
    assert.equal(parseInt(id.slice(0, 8) + id.slice(9, 13), 16), nowMs + i);
  }
});

Deno.test("make() gives ever larger ids when many fall into one ms or the clock goes back", () => {
  const maker = new UuidV7Maker();
  let last = "";
  for (let i = 0; i < 20_000; i++) {
    const id = maker.make(i < 10_000 ? 1_000_000 : 900_000);
    assert.match(id, FORM);
    assert.ok(id > last);
    last = id;
  }
});

Deno.test("make() gives different ids when two makers start at the same ms", () => {
  const ids = new Set<string>();
  for (let i = 0; i < 1_000; i++) ids.add(new UuidV7Maker().make(5));
  assert.equal(ids.size, 1_000);
});

Deno.test("write() gives the next id as bytes where it is told to", () => {
  const maker = new UuidV7Maker();
  const target = new Uint8Array(40);
  const before = maker.make(5);
  assert.equal(maker.write(5, target, 2), 38);
  const id = new TextDecoder().decode(target.subarray(2, 38));
  assert.match(id, FORM);
  assert.ok(id > before && id < maker.make(5));
  assert.deepEqual([target[1], target[38]], [0, 0]);
});
