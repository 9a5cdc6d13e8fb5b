import assert from "node:assert/strict";
import { bar, groupedNumber, percent, textTable } from "./text_table.ts";

Deno.test("textTable() makes columns as wide as what is in them", () => {
  const table = textTable(
    [{ title: "type" }, { title: "events", right: true }],
    [["click", "5"], ["page_view", "31,106"]],
  );
  assert.equal(
    table,
    "  type       events\n  ---------  ------\n  click           5\n  page_view  31,106\n",
  );
});

Deno.test("textTable() shows the titles alone when there are no rows", () => {
  assert.equal(textTable([{ title: "hour" }], []), "  hour\n  ----\n");
});

Deno.test("groupedNumber(), percent() and bar() write short texts", () => {
  assert.equal(groupedNumber(1_234_567), "1,234,567");
  assert.equal(groupedNumber(0.126), "0.13");
  assert.equal(percent(0.1234), "12.3 %");
  assert.deepEqual([bar(0, 10), bar(0.001, 10), bar(1, 10)], ["", "#", "##########"]);
});
