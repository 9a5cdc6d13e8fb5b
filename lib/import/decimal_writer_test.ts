import assert from "node:assert/strict";
import fc from "fast-check";
import { DecimalWriter } from "./decimal_writer.ts";

function written(write: (writer: DecimalWriter) => void): string {
  const target = new Uint8Array(64);
  const writer = new DecimalWriter(target);
  write(writer);
  return new TextDecoder().decode(target.subarray(0, writer.at));
}

Deno.test("padded() writes what padStart would when the number fits", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 15 }), fc.nat(), (width, n) => {
    const value = n % 10 ** width;
    assert.equal(written((w) => w.padded(value, width)), String(value).padStart(width, "0"));
  }));
  const now = 1_767_225_600_123;
  assert.equal(written((w) => w.padded(now, 13)), String(now));
});

Deno.test("plain() writes what String would", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 999_999_999 }), (value) => {
    assert.equal(written((w) => w.plain(value)), String(value));
  }));
});

Deno.test("cents() writes hundredths with two digits", () => {
  assert.equal(written((w) => w.cents(4_999)), "49.99");
  assert.equal(written((w) => w.cents(5)), "0.05");
  assert.equal(written((w) => w.cents(100)), "1.00");
});

Deno.test("copy() and byte() write one after another when pieces are short and long", () => {
  const long = "x".repeat(40);
  const text = written((w) => {
    w.copy(new TextEncoder().encode("ab"));
    w.byte(0x2c);
    w.copy(new TextEncoder().encode(long));
  });
  assert.equal(text, `ab,${long}`);
});
