import assert from "node:assert/strict";
import { amountCell, timestampCell } from "./cell_text.ts";

Deno.test("timestampCell() gives a number when the cell is unix time", () => {
  assert.equal(timestampCell("1710325274"), "1710325274");
  assert.equal(timestampCell("1710325274.25"), "1710325274.25");
  assert.equal(timestampCell(" 1710325274123 "), "1710325274123");
  assert.equal(timestampCell("0"), "0");
});

Deno.test("timestampCell() gives RFC 3339 in UTC when the cell has no zone", () => {
  assert.equal(timestampCell("2024-03-13 10:21:14"), '"2024-03-13T10:21:14Z"');
  assert.equal(timestampCell("2024-03-13T10:21:14"), '"2024-03-13T10:21:14Z"');
  assert.equal(timestampCell("2024-03-13 10:21:14.123456"), '"2024-03-13T10:21:14.123456Z"');
});

Deno.test("timestampCell() keeps the zone when the cell has one", () => {
  assert.equal(timestampCell("2024-03-13T10:21:14Z"), '"2024-03-13T10:21:14Z"');
  assert.equal(timestampCell("2024-03-13T10:21:14.5+02:00"), '"2024-03-13T10:21:14.5+02:00"');
  assert.equal(timestampCell("2024-03-13 10:21:14 UTC"), '"2024-03-13T10:21:14Z"');
  assert.equal(timestampCell("2024-03-13 10:21:14-0530"), '"2024-03-13T10:21:14-05:30"');
});

Deno.test("timestampCell() gives the cell as a string when it can't read it", () => {
  for (const cell of ["13.03.2024", "yesterday", "007", "-5", "2024-03-13", 'a"b']) {
    assert.equal(timestampCell(cell), JSON.stringify(cell));
  }
});

Deno.test("amountCell() gives a number when the cell is one", () => {
  assert.equal(amountCell("49.99"), "49.99");
  assert.equal(amountCell("-3"), "-3");
  for (const cell of ["1,50", "1e3", "€ 5", "01", "12345678901234567890"]) {
    assert.equal(amountCell(cell), JSON.stringify(cell));
  }
});
