import assert from "node:assert/strict";
import fc from "fast-check";
import { IMPORT_ROW_BYTES_MAX } from "../config/limits.ts";
import { ImportError } from "./import_error.ts";
import { ndjsonRows } from "./ndjson_rows.ts";
import type { SourceRow } from "./source_row.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function rowsOf(
  text: string | Uint8Array,
  { size = 5, start = { bytes: 0, rows: 0 } } = {},
): Promise<(Omit<SourceRow, "event"> & { event: string })[]> {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  const rows = [];
  for await (const group of ndjsonRows(pieces(bytes.subarray(start.bytes), size), start, "f")) {
    rows.push(...group.map((row) => ({ ...row, event: decoder.decode(row.event as Uint8Array) })));
  }
  return rows;
}

const complete = '{"id":"1","user_id":"ada","event_type":"click","timestamp":1710325274}';

Deno.test("ndjsonRows() gives lines as their own bytes when they have an id", async () => {
  const odd = '{ "id" : "1" , "user_id" : null }';
  const text = `\ufeff${complete}\r\n\n  \n${odd}\n`;
  const rows = await rowsOf(text);
  assert.deepEqual(rows.map(({ event }) => event), [complete, odd]);
  assert.deepEqual(rows.map(({ number }) => number), [1, 2]);
});

Deno.test("ndjsonRows() gives lines that are no objects as they are", async () => {
  const lines = ["nonsense", "[1]", "null", '{"a":', '"text"', `${complete} {}`];
  const rows = await rowsOf(lines.join("\n"));
  assert.deepEqual(rows.map(({ event }) => event), lines);
});

Deno.test("ndjsonRows() puts an id first when an object has none", async () => {
  const lines = [
    '{"user_id":"ada","event_type":"click"}',
    '  {  "user_id":"\\u0061da"}',
    "{}",
    "{ }",
    '{"id":null,"user_id":"ada"}',
  ];
  const rows = await rowsOf(lines.join("\n"));
  for (const [index, { event }] of rows.entries()) {
    const { id, ...rest } = JSON.parse(event);
    const { id: _, ...expected } = JSON.parse(lines[index]);
    assert.match(id, /^imp-[0-9a-f]{32}$/);
    assert.deepEqual(rest, expected);
  }
  assert.equal(new Set(rows.map(({ event }) => JSON.parse(event).id)).size, lines.length);
});

Deno.test("ndjsonRows() keeps bytes that are not UTF-8", async () => {
  const bytes = Uint8Array.of(0x7b, 0xff, 0x7d, 0x0a);
  for await (const [row] of ndjsonRows(pieces(bytes, 9), { bytes: 0, rows: 0 }, "f")) {
    if (row) assert.deepEqual(row.event, bytes.subarray(0, 3));
  }
});

Deno.test("ndjsonRows() gives the same rows from any row on, whatever the chunks are", async () => {
  const line = fc.oneof(
    fc.constant(""),
    fc.constant(complete),
    fc.record({ user_id: fc.string({ unit: "grapheme" }) }).map((value) => JSON.stringify(value)),
    fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", "")),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 8 }),
      fc.integer({ min: 1, max: 80 }),
      fc.boolean(),
      async (lines, size, endsLine) => {
        const text = lines.join("\n") + (endsLine ? "\n" : "");
        const all = await rowsOf(text, { size });
        const isFilled = (each: string) => !/^[ \t\r]*$/.test(each.replace(/^\ufeff/, ""));
        assert.equal(all.length, lines.filter(isFilled).length);
        for (const [index, { end, number }] of all.entries()) {
          const rest = await rowsOf(text, { size, start: { bytes: end, rows: number } });
          assert.deepEqual(rest, all.slice(index + 1));
        }
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("ndjsonRows() says that a row is not whole when the file ends without a line end", async () => {
  assert.deepEqual((await rowsOf("1\n2\n")).map(({ whole }) => whole), [true, true]);
  assert.deepEqual((await rowsOf("1\n2")).map(({ whole }) => whole), [true, false]);
});

Deno.test("ndjsonRows() throws when a line is longer than the limit", async () => {
  for (const end of ["", "\n"]) {
    const text = "x".repeat(IMPORT_ROW_BYTES_MAX + 1) + end;
    await assert.rejects(rowsOf(text, { size: 1 << 20 }), ImportError);
  }
});
