import assert from "node:assert/strict";
import type { RefusedRow } from "./import_batch.ts";
import { RefusedRows } from "./refused_rows.ts";

const encoder = new TextEncoder();

function refusedRow(row: number, event: string | Uint8Array): RefusedRow {
  const bytes = typeof event === "string" ? encoder.encode(event) : event;
  return { row, code: "too_long", field: "id", message: "id is too long", event: bytes };
}

function withPath(use: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(`${folder}/a.rejected.ndjson`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function linesOf(path: string): Record<string, unknown>[] {
  return Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("add() keeps rows with their reason, whatever the event is", () => {
  withPath((path) => {
    const rows = new RefusedRows(path, true);
    rows.add([refusedRow(1, '{"id":"x"}'), refusedRow(2, "no json")]);
    rows.add([refusedRow(5, Uint8Array.of(0xff, 0x0d))]);
    const reason = { code: "too_long", field: "id", message: "id is too long" };
    assert.deepEqual(linesOf(path), [
      { row: 1, ...reason, event: { id: "x" } },
      { row: 2, ...reason, text: "no json" },
      { row: 5, ...reason, base64: "/w0=" },
    ]);
  });
});

Deno.test("add() makes no file when nothing was refused", () => {
  withPath((path) => {
    new RefusedRows(path, true).add([]);
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  });
});

Deno.test("add() forgets an earlier import's rows when the import begins anew", () => {
  withPath((path) => {
    new RefusedRows(path, true).add([refusedRow(1, "1")]);
    new RefusedRows(path, false).add([refusedRow(2, "2")]);
    assert.deepEqual(linesOf(path).map(({ row }) => row), [1, 2]);
    const anew = new RefusedRows(path, true);
    anew.add([]);
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
    anew.add([refusedRow(3, "3")]);
    anew.add([refusedRow(4, "4")]);
    assert.deepEqual(linesOf(path).map(({ row }) => row), [3, 4]);
  });
});
