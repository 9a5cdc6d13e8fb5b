import assert from "node:assert/strict";
import { ReadPlaces } from "./read_places.ts";

Deno.test("ReadPlaces.take() waits in turn when all places are taken", async () => {
  const places = new ReadPlaces(2);
  const order: number[] = [];
  const reads = [0, 1, 2, 3].map((read) => places.take().then(() => order.push(read)));
  await Promise.all(reads.slice(0, 2));
  assert.deepEqual([order, places.taken], [[0, 1], 2]);
  places.give();
  await reads[2];
  assert.deepEqual([order, places.taken], [[0, 1, 2], 2]);
  for (let given = 0; given < 3; given++) places.give();
  await reads[3];
  assert.deepEqual([order, places.taken], [[0, 1, 2, 3], 0]);
});
