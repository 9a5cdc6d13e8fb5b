import assert from "node:assert/strict";
import { EIGHT_BYTES, FOUR_BYTES, LENGTH, ProtoFields, VARINT } from "./proto_fields.ts";

/** The fields of a message as [number, wire type, value or bytes]; null = odd. */
function fieldsOf(bytes: readonly number[], end = bytes.length) {
  const fields = new ProtoFields();
  fields.message = Uint8Array.from(bytes);
  const found: [number, number, number | number[]][] = [];
  for (let at = 0; at < end; at = fields.next) {
    if (!fields.read(at, end)) return null;
    const { field, wire, value, start, next } = fields;
    found.push([field, wire, wire === VARINT ? value : [...fields.message.slice(start, next)]]);
  }
  return found;
}

Deno.test("read() gives every wire type with its value or its place", () => {
  const bytes = [0x08, 0x96, 0x01, 0x12, 2, 7, 8, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8];
  assert.deepEqual(fieldsOf([...bytes, 0xfa, 0x01, 0]), [
    [1, VARINT, 150],
    [2, LENGTH, [7, 8]],
    [3, FOUR_BYTES, [1, 2, 3, 4]],
    [4, EIGHT_BYTES, [1, 2, 3, 4, 5, 6, 7, 8]],
    [31, LENGTH, []],
  ]);
  assert.deepEqual(fieldsOf([0x08, ...Array(6).fill(0xff), 0x7f]), [[1, VARINT, 2 ** 49 - 1]]);
});

Deno.test("read() calls odd what is cut off, too long, a group or field 0", () => {
  const odd = [[0x08], [0x80], [0x12, 3, 1, 2], [0x1d, 1, 2, 3], [0x21, 1], [0x00, 1], [0x0b], [
    0x0e,
    1,
  ]];
  for (const bytes of odd) assert.equal(fieldsOf(bytes), null, String(bytes));
  assert.equal(fieldsOf([0x08, ...Array(7).fill(0xff), 1]), null);
  assert.equal(fieldsOf([0x12, 2, 1, 2], 3), null);
  // 2^32 + 8: a library that reads 32 bits takes it for the tag 8.
  assert.equal(fieldsOf([0x88, 0x80, 0x80, 0x80, 0x10, 1]), null);
});
