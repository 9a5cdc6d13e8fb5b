import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { Hono } from "hono";
import { ProblemError } from "../../lib/http/problem.ts";
import { csvAnswer, postedFormat, qualityHeaders, wantsCsv } from "./csv_answer.ts";

const WHOLE = { complete_until: "2026-01-02T00:00:00Z", complete: true };

Deno.test("wantsCsv() goes by what the client prefers", () => {
  for (const accept of ["text/csv", "text/csv, */*;q=0.1", "application/json;q=0.5, text/csv"]) {
    assert.equal(wantsCsv(accept), true, accept);
  }
  for (
    const accept of ["", "*/*", "application/json", "text/csv;q=0.1, application/json", "text/html"]
  ) {
    assert.equal(wantsCsv(accept), false, accept);
  }
});

Deno.test("postedFormat() takes the query string before the header, once and of two words", async () => {
  const app = new Hono();
  app.post("/", (context) => context.text(postedFormat(context)));
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) throw error;
    return context.text(`${error.code} ${error.options.field}`);
  });
  const ask = async (query: string, accept: string) => {
    return await (await app.request(`/${query}`, { method: "POST", headers: { accept } })).text();
  };
  assert.equal(await ask("", "*/*"), "json");
  assert.equal(await ask("", "text/csv"), "csv");
  assert.equal(await ask("?format=csv", "application/json"), "csv");
  assert.equal(await ask("?format=json", "text/csv"), "json");
  assert.equal(await ask("?format=", "text/csv"), "csv");
  assert.equal(await ask("?format=xml", "*/*"), "invalid_parameter format");
  assert.equal(await ask("?format=csv&format=json", "*/*"), "invalid_parameter format");
});

Deno.test("csvAnswer() leaves cells empty where there is nothing, and says what it is", async () => {
  const table = { header: ["a", "b"], rows: [[1, null], ["x,y", true], ["", -2.5]] };
  const answer = csvAnswer(table, { "rta-complete": "true" });
  assert.equal(answer.headers.get("content-type"), "text/csv; charset=utf-8; header=present");
  assert.equal(answer.headers.get("rta-complete"), "true");
  assert.equal(await answer.text(), 'a,b\r\n1,\r\n"x,y",true\r\n"",-2.5\r\n');
});

Deno.test("csvAnswer() gives no text that a spreadsheet runs, and none that can't be had back", async () => {
  const start = fc.constantFrom(
    "",
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＠",
    "'",
    " ",
    '"',
  );
  const text = fc.tuple(start, fc.string({ unit: "grapheme" })).map((parts) => parts.join(""));
  const rows = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 5 });
  await fc.assert(fc.asyncProperty(rows, async (written) => {
    const csv = await csvAnswer({ header: written[0], rows: written }, {}).text();
    const read: string[][] = parse(csv, { record_delimiter: "\r\n" });
    for (const cell of read.flat()) assert.doesNotMatch(cell, /^[=+\-@\t\r\n＝＋－＠]/);
    const back = read.map((row) => row.map((cell) => cell.replace(/^'/, "")));
    assert.deepEqual(back, [written[0], ...written]);
  }));
  const table = { header: ["=h()"], rows: [["=cmd|' /C calc'!A0"], ["-5"], [-5]] };
  const csv = await csvAnswer(table, {}).text();
  assert.equal(csv, "'=h()\r\n'=cmd|' /C calc'!A0\r\n'-5\r\n-5\r\n");
});

Deno.test("qualityHeaders() tells what a JSON answer tells beside its rows", () => {
  const range = { start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00Z" };
  const notes = ['no event in the range has the property "größe\u{1f600}"'];
  const headers = qualityHeaders({
    complete_until: "2026-01-02T00:00:00Z",
    complete: false,
    missing_partitions: [1, 2],
    accuracy: { users: "exact" },
    notes,
    next_page_token: "abc",
    next_sessions_page_token: "",
  }, range);
  const { "rta-notes": notesHeader, ...others } = headers;
  assert.deepEqual(others, {
    "rta-complete-until": "2026-01-02T00:00:00Z",
    "rta-complete": "false",
    "rta-missing-partitions": "1,2",
    "rta-time-range": "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z",
    "rta-accuracy": '{"users":"exact"}',
    "rta-next-page-token": "abc",
  });
  assert.match(notesHeader, /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(notesHeader), notes);
  const few = qualityHeaders({ ...WHOLE, accuracy: {}, notes: [] }, null);
  assert.deepEqual(Object.keys(few), ["rta-complete-until", "rta-complete"]);
});

Deno.test("qualityHeaders() counts the notes that a header has no room for", () => {
  const notes = Array.from({ length: 10 }, (_, index) => `${index}${"ü".repeat(200)}`);
  const { "rta-notes": text } = qualityHeaders({ ...WHOLE, notes }, null);
  const shown: string[] = JSON.parse(text);
  assert.deepEqual(shown.slice(0, -1), notes.slice(0, 3));
  assert.equal(shown.at(-1), "7 more notes are in the same answer as JSON");
});
