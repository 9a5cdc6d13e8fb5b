import assert from "node:assert/strict";
import fc from "fast-check";
import { IMPORT_ROW_BYTES_MAX } from "../config/limits.ts";
import { resolveMapping } from "./column_mapping.ts";
import { csvRows, readCsvHeader } from "./csv_rows.ts";
import { ImportError } from "./import_error.ts";
import type { ImportSource } from "./import_source.ts";
import type { SourceRow } from "./source_row.ts";

const encoder = new TextEncoder();

function sourceOf(bytes: Uint8Array): ImportSource {
  return {
    path: "x.csv",
    fileBytes: bytes.length,
    gzip: false,
    head: bytes.subarray(0, 64 * 1024),
    headIsAll: bytes.length < 64 * 1024,
    fingerprint: "f",
  };
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

/** The rows from a place on; the first row's place when there is none. */
async function rowsOf(
  text: string | Uint8Array,
  { size = 7, start = null as { bytes: number; rows: number } | null } = {},
): Promise<SourceRow[]> {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  const header = readCsvHeader(sourceOf(bytes), ",");
  const mapping = resolveMapping({}, header.columns);
  const from = start ?? { bytes: header.end, rows: 0 };
  const rows: SourceRow[] = [];
  const chunks = pieces(bytes.subarray(from.bytes), size);
  for await (const group of csvRows(chunks, from, mapping, ",", "f")) rows.push(...group);
  return rows;
}

function events(rows: readonly SourceRow[]): Record<string, unknown>[] {
  return rows.map((row) => JSON.parse(row.event as string));
}

const head = "id,user_id,event_type,note\n";

Deno.test("csvRows() gives one event a row when cells are quoted in every way", async () => {
  const rows = await rowsOf(
    `${head}1,ada,click,"a,b"\r\n2,ada,click,"say ""hi"""\n3,ada,click,"two\nlines"\n4,ada,click,5" nail\n`,
  );
  assert.deepEqual(
    events(rows).map((event) => (event.properties as { note: string }).note),
    ["a,b", 'say "hi"', "two\nlines", '5" nail'],
  );
  assert.deepEqual(rows.map(({ number }) => number), [1, 2, 3, 4]);
});

Deno.test("csvRows() passes over blank lines and a byte order mark", async () => {
  const rows = await rowsOf(`\ufeff${head}\n1,ada,click,x\n\n\n2,bob,click,y\n\n`);
  assert.deepEqual(events(rows).map(({ id }) => id), ["1", "2"]);
});

Deno.test("csvRows() gives a fault when a row has too few or too many cells", async () => {
  const rows = await rowsOf(`${head}1,ada,click\n2,ada,click,x\n3,ada,click,x,y\n`);
  assert.deepEqual(rows.map(({ fault }) => fault?.code), [
    "column_count",
    undefined,
    "column_count",
  ]);
  assert.deepEqual(JSON.parse(rows[2].event as string), ["3", "ada", "click", "x", "y"]);
});

Deno.test("csvRows() gives a fault when a row is not UTF-8", async () => {
  const latin1 = Uint8Array.of(...encoder.encode(`${head}1,`), 0xe9, ...encoder.encode("a,b,c\n"));
  assert.equal((await rowsOf(latin1))[0].fault?.code, "invalid_utf8");
});

Deno.test("csvRows() says that a row is not whole when the file ends without a line end", async () => {
  assert.deepEqual((await rowsOf(`${head}1,a,b,c\n2,a,b,c\n`)).map((r) => r.whole), [true, true]);
  assert.deepEqual((await rowsOf(`${head}1,a,b,c\n2,a,b,c`)).map((r) => r.whole), [true, false]);
});

Deno.test("csvRows() derives ids from place and content when no column gives them", async () => {
  const text = "user_id,event_type\nada,click\nada,click\n";
  const ids = events(await rowsOf(text)).map(({ id }) => id);
  assert.match(String(ids[0]), /^imp-[0-9a-f]{32}$/);
  assert.notEqual(ids[0], ids[1]);
  assert.deepEqual(events(await rowsOf(text, { size: 1000 })).map(({ id }) => id), ids);
});

const cell = fc.string({ unit: fc.constantFrom("a", "é", "😀", ",", '"', "\n", "\r\n", " ") });

function quoted(text: string): string {
  return /[",\n]/.test(text) || text === "" ? `"${text.replaceAll('"', '""')}"` : text;
}

Deno.test("csvRows() gives the same rows from any row on, whatever the chunks are", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      async (records, size, lineEnd, endsLine) => {
        const lines = records.map((cells, i) => [`u${i}`, ...cells].map(quoted).join(","));
        const body = lines.join(lineEnd) + (endsLine ? lineEnd : "");
        const text = `user_id,event_type,b,c${lineEnd}${body}`;
        const all = await rowsOf(text, { size });
        assert.equal(all.length, records.length);
        for (const [index, row] of events(all).entries()) {
          const [event_type = "", b = "", c = ""] = records[index];
          const { properties = {} } = row as { properties?: { b?: string; c?: string } };
          assert.equal(row.event_type ?? "", event_type);
          assert.deepEqual([properties.b ?? "", properties.c ?? ""], [b, c]);
        }
        for (const [index, { end, number }] of all.entries()) {
          const rest = await rowsOf(text, { size, start: { bytes: end, rows: number } });
          assert.deepEqual(rest, all.slice(index + 1));
        }
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("csvRows() throws when a quote is never closed, after the rows before it", async () => {
  const seen: number[] = [];
  const bytes = encoder.encode(`${head}1,a,b,c\n2,a,b,"c\n3,a,b,c\n`);
  const header = readCsvHeader(sourceOf(bytes), ",");
  const mapping = resolveMapping({}, header.columns);
  const start = { bytes: header.end, rows: 0 };
  const rows = csvRows(pieces(bytes.subarray(header.end), 100), start, mapping, ",", "f");
  await assert.rejects(async () => {
    for await (const group of rows) seen.push(...group.map(({ number }) => number));
  }, (error) => error instanceof ImportError && /row 2, .*quote/.test(error.message));
  assert.deepEqual(seen, [1]);
});

Deno.test("csvRows() throws when a row is longer than the limit, without reading on", async () => {
  const bytes = encoder.encode(`${head}1,a,b,"`);
  const header = readCsvHeader(sourceOf(bytes), ",");
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(header.end);
    for (;;) {
      given += 65_536;
      yield new Uint8Array(65_536).fill(0x61);
    }
  }
  const mapping = resolveMapping({}, header.columns);
  const rows = csvRows(endless(), { bytes: header.end, rows: 0 }, mapping, ",", "f");
  await assert.rejects(async () => {
    for await (const _ of rows);
  }, ImportError);
  assert.ok(given < 2 * IMPORT_ROW_BYTES_MAX);
});

Deno.test("readCsvHeader() reads tabs, quotes and a header without rows", () => {
  const tabs = readCsvHeader(sourceOf(encoder.encode('user_id\t"a ""b"""\n1\t2\n')), "\t");
  assert.deepEqual(tabs, { columns: ["user_id", 'a "b"'], end: 18 });
  const alone = readCsvHeader(sourceOf(encoder.encode("a,b")), ",");
  assert.deepEqual(alone, { columns: ["a", "b"], end: 3 });
});

Deno.test("readCsvHeader() throws when the file is empty or its head has no line end", () => {
  assert.throws(() => readCsvHeader(sourceOf(new Uint8Array(0)), ","), /is empty/);
  const long = encoder.encode("a,".repeat(40_000) + "\n");
  assert.throws(() => readCsvHeader(sourceOf(long), ","), /no header/);
  const open = encoder.encode(`"${"a".repeat(70_000)}`);
  assert.throws(() => readCsvHeader(sourceOf(open), ","), /no header/);
});
