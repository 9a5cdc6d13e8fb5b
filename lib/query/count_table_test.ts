import assert from "node:assert/strict";
import { COLUMNS, giveTable, takeTable } from "./count_table.ts";

Deno.test("takeTable() gives zeros, also in memory that was used before", () => {
  for (const places of [1, 1024, 700, 5000, 0, 1024]) {
    const [table, other] = [takeTable(places), takeTable(places)];
    for (const column of COLUMNS) {
      assert(table[column].length >= places);
      assert.deepEqual(table[column].subarray(0, places), new Float64Array(places));
      if (places > 0) assert.notEqual(table[column].buffer, other[column].buffer);
      table[column].fill(7);
    }
    giveTable(table);
    giveTable(other);
  }
});
