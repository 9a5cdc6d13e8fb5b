import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { csvRow } from "./csv_row.ts";

Deno.test("csvRow() writes rows that a reader of CSV reads back", () => {
  const cell = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("", '"', ",", "\r\n", "\n", " a", "a ", 'a"b,c'),
  );
  const rows = fc.integer({ min: 1, max: 5 }).chain((width) =>
    fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 5 })
  );
  fc.assert(fc.property(rows, (written) => {
    const text = written.map(csvRow).join("");
    assert.deepEqual(parse(text, { record_delimiter: "\r\n", skip_empty_lines: false }), written);
  }));
});
