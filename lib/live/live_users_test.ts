import assert from "node:assert/strict";
import { hash64 } from "../sketch/hash64.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { LiveUsers } from "./live_users.ts";

const NOW = 1_700_000_025;
const NO_BOUND = Infinity;

/** A sketch of the users first .. first + count - 1. */
function usersOf(first: number, count: number): HyperLogLog {
  const sketch = new HyperLogLog();
  const hash = new Uint32Array(2);
  for (let user = first; user < first + count; user++) {
    hash64(new Uint8Array(Int32Array.of(user).buffer), 0, 4, 0, hash);
    sketch.add(hash[0], hash[1]);
  }
  return sketch;
}

Deno.test("LiveUsers.estimate() begins at the slot of the window's grain", () => {
  const users = new LiveUsers(NO_BOUND);
  const series = {};
  users.advance(NOW);
  for (let back = 0; back <= 3700; back++) users.add("all", series, NOW - back, usersOf(back, 1));
  const cases: [seconds: number, fromSecond: number][] = [
    [1, NOW - 1],
    [60, NOW - 60],
    // ... 025 - 61 = ... 964 lies in the ten seconds from ... 960.
    [61, NOW - 65],
    [600, NOW - 605],
    // ... 025 is 45 s into its minute, 28,333,333 of which are 1,699,999,980 s.
    [601, NOW - 645],
    [3600, NOW - 3645],
  ];
  for (const [seconds, fromSecond] of cases) {
    const estimate = users.estimate("all", [series], NOW, seconds);
    assert.equal(estimate.fromSecond, fromSecond, `${seconds} s`);
    assert.equal(estimate.whole, true, `${seconds} s`);
    const expected = NOW - fromSecond + 1;
    if (estimate.exact) assert.equal(estimate.count, expected, `${seconds} s`);
    else assert.ok(Math.abs(estimate.count / expected - 1) < 0.04, `${seconds} s`);
  }
  assert.throws(() => users.estimate("all", [series], NOW, 3601), RangeError);
});

Deno.test("LiveUsers.estimate() counts a user of two series and two slots once", () => {
  const users = new LiveUsers(NO_BOUND);
  const [a, b, c] = [{}, {}, {}];
  users.advance(NOW);
  users.add("type", a, NOW, usersOf(0, 10));
  users.add("type", a, NOW - 1, usersOf(5, 10));
  users.add("type", b, NOW - 7, usersOf(10, 10));
  users.add("type", c, NOW, usersOf(100, 50));
  assert.equal(users.estimate("type", [a, b], NOW, 10).count, 20);
  assert.equal(users.estimate("type", [a], NOW, 10).count, 15);
  assert.equal(users.estimate("all", [a], NOW, 10).count, 0);
});

Deno.test("LiveUsers.advance() gives back the memory of what no window reaches", () => {
  const users = new LiveUsers(NO_BOUND);
  const series = {};
  users.advance(NOW);
  users.add("all", series, NOW, usersOf(0, 3000));
  const bytes = users.byteSize;
  assert.ok(bytes > 3 * 16_384);
  users.advance(NOW + 61);
  assert.ok(users.byteSize < bytes);
  users.advance(NOW + 3 * 3600);
  assert.equal(users.byteSize, 0);
});

Deno.test("LiveUsers sheds the oldest users of types first when memory is full, and says so", () => {
  const bytesMax = 200_000;
  const users = new LiveUsers(bytesMax);
  const [type, all] = [{}, {}];
  for (let second = NOW - 3600; second <= NOW; second++) {
    users.advance(second);
    users.add("type", type, second, usersOf(second % 1000, 40));
    users.add("all", all, second, usersOf(second % 1000, 40));
    assert.ok(users.byteSize <= bytesMax);
  }
  const hour = users.estimate("type", [type], NOW, 3600);
  assert.equal(hour.whole, false);
  // The coarse grain of types went, the fine one of all types stayed.
  const second = users.estimate("all", [all], NOW, 1);
  assert.deepEqual([second.count, second.whole], [41, true]);
});
