import { strict as assert } from "node:assert";
import { EventScan, insertDefaults, INSERTED_BYTES_MAX, SCAN_DEFAULTS, scanEvent } from "./scan.ts";
import { decodeUtf8, encodeUtf8 } from "./text_coding.ts";

const NOW_MS = 1_800_000_000_000;

function inserted(
  text: string,
  id: string,
  timestampMs: number,
  room = INSERTED_BYTES_MAX,
): string {
  const bytes = encodeUtf8(text);
  const scan = new EventScan();
  assert.equal(scanEvent(bytes, 0, bytes.length, NOW_MS, scan), SCAN_DEFAULTS);
  const target = new Uint8Array(scan.end - scan.start + room);
  const end = insertDefaults(bytes, scan.start, scan.end, scan, id, timestampMs, target, 0);
  return decodeUtf8(target.subarray(0, end));
}

Deno.test("insertDefaults() puts in what is missing when that is id, time or both", () => {
  const rest = '"user_id":"é","event_type":"t"}';
  assert.equal(
    inserted(` { ${rest} `, "new-1", NOW_MS),
    `{"id":"new-1","timestamp":1800000000000, ${rest}`,
  );
  assert.equal(inserted(`{"timestamp":5,${rest}`, "n", NOW_MS), `{"id":"n","timestamp":5,${rest}`);
  assert.equal(
    inserted(`{"id":"i",${rest}`, "n", 7),
    `{"timestamp":"1970-01-01T00:00:00.007Z",` +
      `"id":"i",${rest}`,
  );
});

Deno.test("insertDefaults() fits into INSERTED_BYTES_MAX when the id is the longest", () => {
  const text = '{"user_id":"u","event_type":"t"}';
  const line = inserted(text, "x".repeat(128), 7);
  assert.equal(line.length, text.length + INSERTED_BYTES_MAX);
  assert.throws(() => inserted(text, "x".repeat(128), 7, INSERTED_BYTES_MAX - 1), RangeError);
});

Deno.test("insertDefaults() throws when the id would need escapes or is not an id", () => {
  for (const id of ["", 'a"', "\\", "\n", "é", "x".repeat(129)]) {
    assert.throws(() => inserted('{"user_id":"u","event_type":"t"}', id, NOW_MS), RangeError);
  }
});
