import assert from "node:assert/strict";
import { native } from "./native.ts";
import { pairText, readFew, timestampText } from "./read_stream.ts";

Deno.test("readFew() gives all rows once and in order, however many there are", async () => {
  const config = native.create_config();
  native.set_config(config, "threads", "1");
  const database = await native.open(":memory:", config);
  const connection = await native.connect(database);
  try {
    for (const count of [0, 1, 8_191, 8_192, 8_193, 40_000]) {
      const sql = `SELECT range FROM range(${count}) UNION ALL SELECT range FROM range(3)`;
      const read: number[] = [];
      await readFew(connection, sql, (chunk) => read.push(...chunk.int64(0)));
      assert.deepEqual(read, [...Array(count).keys(), 0, 1, 2]);
    }
  } finally {
    native.disconnect_sync(connection);
    native.close_sync(database);
  }
});

Deno.test("pairText() and timestampText() are the values that DuckDB keeps", async () => {
  const database = await native.open(":memory:");
  const connection = await native.connect(database);
  try {
    for (const [low, high] of [[0, 0], [0xffff_ffff, 0xffff_fffe], [-1, 1]] as const) {
      await readFew(connection, `SELECT ${pairText(low, high)}`, (chunk) => {
        assert.deepEqual([...chunk.pairs(0)], [low >>> 0, high >>> 0]);
      });
    }
    for (const ms of [0, -5, 1.5, 253_402_300_800_000, Infinity]) {
      await readFew(connection, `SELECT ${timestampText(ms)}`, (chunk) => {
        assert.deepEqual([...chunk.int64(0)], [Math.min(Math.ceil(ms), Number.MAX_SAFE_INTEGER)]);
      });
    }
  } finally {
    native.disconnect_sync(connection);
    native.close_sync(database);
  }
});
