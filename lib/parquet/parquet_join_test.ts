import assert from "node:assert/strict";
import { DuckDBInstance } from "@duckdb/node-api";
import { ParquetJoin, tailLength } from "./parquet_join.ts";
import { readStruct, writeStruct } from "./thrift_compact.ts";

/** Files of so many rows each, made by DuckDB, joined to one. */
async function joinFiles(folder: string, counts: readonly number[]): Promise<string> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const join = new ParquetJoin();
  const path = `${folder}/joined.parquet`;
  const parts: Uint8Array[] = [join.head];
  let first = 0;
  for (const [index, count] of counts.entries()) {
    const part = `${folder}/part-${index}.parquet`;
    await connection.run(`COPY (SELECT i, 'user-' || (i % 7) AS user_id,
        CASE WHEN i % 3 = 0 THEN i / 4 END AS amount, make_timestamp_ms(i) AS seen,
        ('{"n":' || i || '}')::JSON AS properties
      FROM range(${first}, ${first + count}) t(i))
      TO '${part}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)`);
    const bytes = await Deno.readFile(part);
    const tail = bytes.subarray(bytes.length - tailLength(bytes.subarray(bytes.length - 8)));
    const { start, end } = join.add(bytes.length, tail);
    parts.push(bytes.subarray(start, end));
    first += count;
  }
  parts.push(join.tail());
  await Deno.writeFile(path, new Blob(parts as Uint8Array<ArrayBuffer>[]).stream());
  connection.closeSync();
  instance.closeSync();
  return path;
}

/** What DuckDB reads of a file: each statement's rows. */
async function ask(statements: readonly string[]): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const answers: unknown[][] = [];
  for (const sql of statements) {
    answers.push((await connection.runAndReadAll(sql)).getRowsJson());
  }
  connection.closeSync();
  instance.closeSync();
  return answers;
}

for (const counts of [[1], [5, 0, 3], [5000, 1, 7000, 2048], Array(40).fill(3), [0]]) {
  Deno.test(`ParquetJoin() joins files of ${counts.slice(0, 5)} rows (${counts.length})`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
    try {
      const path = await joinFiles(folder, counts);
      const rows = counts.reduce((sum, count) => sum + count, 0);
      const select = "i, user_id, amount, seen, properties";
      const [count, joined, plain, some, groups] = await ask([
        `SELECT count(*)::INTEGER, count(DISTINCT i)::INTEGER FROM '${path}'`,
        `SELECT md5(string_agg(t::VARCHAR, ',' ORDER BY i)) FROM (SELECT ${select} FROM '${path}') t`,
        `SELECT md5(string_agg(t::VARCHAR, ',' ORDER BY i)) FROM (SELECT i,
           'user-' || (i % 7) AS user_id, CASE WHEN i % 3 = 0 THEN i / 4 END AS amount,
           make_timestamp_ms(i) AS seen, ('{"n":' || i || '}')::JSON AS properties
         FROM range(${rows}) t(i)) t`,
        // Statistics and bloom filters must be those of the right row group.
        `SELECT i::INTEGER FROM '${path}' WHERE i = ${rows - 1} AND user_id = 'user-${
          Math.max(0, rows - 1) % 7
        }'`,
        `SELECT sum(row_group_num_rows)::INTEGER FROM (SELECT DISTINCT row_group_id,
           row_group_num_rows FROM parquet_metadata('${path}'))`,
      ]);
      assert.deepEqual(count, [[rows, rows]]);
      assert.deepEqual(joined, plain);
      assert.deepEqual(some, rows === 0 ? [] : [[rows - 1]]);
      assert.deepEqual(groups, [[rows === 0 ? null : rows]]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("ParquetJoin() refuses what is no Parquet file", () => {
  assert.throws(() => new ParquetJoin().add(8, new Uint8Array(8)), /no Parquet file/);
});

Deno.test("readStruct() and writeStruct() keep fields, ids far apart, negative numbers", () => {
  const bytes = new Uint8Array([
    ...[0x15, 0x03], // 1: i32 -2
    ...[0x05, 0x80, 0x02, 0x04], // 128: i32 2
    ...[0x19, 0x25, 0x02, 0x01], // 129: list of two i32
    ...[0x11], // 130: true
    ...[0x18, 0x02, 0x68, 0x69], // 131: "hi"
    ...[0x1c, 0x12, 0x00], // 132: a struct with 1: false
    0,
  ]);
  const struct = readStruct(bytes);
  assert.deepEqual([...struct.keys()], [1, 128, 129, 130, 131, 132]);
  assert.deepEqual(struct.get(1), { type: 5, value: -2n });
  assert.deepEqual(writeStruct(struct), bytes);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => readStruct(bytes.subarray(0, length)), /no metadata/);
  }
});
