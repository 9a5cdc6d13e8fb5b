import assert from "node:assert/strict";
import fc from "fast-check";
import { apiKeyHash, makeApiKey, readApiKey, sameHash } from "./api_key.ts";

Deno.test("makeApiKey() makes keys that are read again, each another one", () => {
  const keys = Array.from({ length: 500 }, makeApiKey);
  assert.equal(new Set(keys.map(({ key }) => key)).size, 500);
  assert.equal(new Set(keys.map(({ id }) => id)).size, 500);
  for (const { key, id } of keys) {
    assert.match(key, /^rta_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/);
    assert.deepEqual(readApiKey(key), { ok: true, id });
  }
});

Deno.test("makeApiKey() draws every character about as often as any other", () => {
  const counts = new Map<string, number>();
  const drawn = 4_000;
  for (let i = 0; i < drawn; i++) {
    // Without the checksum, which is not drawn.
    for (const char of makeApiKey().key.slice(17, -6)) {
      counts.set(char, (counts.get(char) ?? 0) + 1);
    }
  }
  const expected = drawn * 32 / 62;
  assert.equal(counts.size, 62);
  // Chi-squared of 61 degrees of freedom: above 130 in fewer than one of a million runs.
  const chi = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  assert.ok(chi < 130, `chi-squared ${chi}`);
});

Deno.test("readApiKey() tells every cut, and every change of one character", () => {
  fc.assert(fc.property(fc.nat(54), fc.constantFrom(..."0aZ_~ é"), (at, char) => {
    const { key } = makeApiKey();
    const cut = readApiKey(key.slice(0, at));
    assert.equal(cut.ok, false);
    if (at >= 4) assert.match(cut.ok ? "" : cut.fault, /cut off/);
    if (key[at] === char) return;
    const changed = readApiKey(key.slice(0, at) + char + key.slice(at + 1));
    assert.equal(changed.ok, false, `${at} ${char}`);
  }));
});

Deno.test("readApiKey() tells two neighbours that were swapped", () => {
  fc.assert(fc.property(fc.integer({ min: 17, max: 53 }), (at) => {
    const { key } = makeApiKey();
    if (key[at] === key[at + 1]) return;
    const swapped = key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2);
    assert.equal(readApiKey(swapped).ok, false);
  }));
});

Deno.test("readApiKey() refuses any other text without repeating it", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string().map((text) => `rta_${text}`)), (text) => {
    const read = readApiKey(text);
    assert.equal(read.ok, false);
    if (!read.ok && text.length > 8) assert.ok(!read.fault.includes(text));
  }));
});

Deno.test("sameHash() compares whole hashes", () => {
  const hash = apiKeyHash("rta_x");
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(sameHash(hash, apiKeyHash("rta_x")), true);
  assert.equal(sameHash(hash, apiKeyHash("rta_y")), false);
  assert.equal(sameHash(hash, hash.slice(0, 63)), false);
});
