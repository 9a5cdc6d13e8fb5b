import assert from "node:assert/strict";
import { openImport } from "./open_import.ts";
import { rehearseImport } from "./rehearse_import.ts";

async function rehearse(name: string, text: string) {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return await rehearseImport(await openImport(path, {}), 2);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("rehearseImport() counts rows, and groups what would be refused by reason", async () => {
  const rehearsal = await rehearse(
    "a.csv",
    "user_id,event_type,timestamp\nada,click,2024-03-13 10:21:14\n,click,1710325274\n" +
      "ada,click,yesterday\n,click,1710325274\nada,click\nbob,view,\ncleo,view,\n",
  );
  assert.equal(rehearsal.rows, 7);
  assert.equal(rehearsal.refused, 4);
  assert.deepEqual(
    rehearsal.refusals.map(({ code, field, rows, firstRow }) => [code, field, rows, firstRow]),
    [
      ["missing_field", "user_id", 2, 2],
      ["invalid_timestamp", "timestamp", 1, 3],
      ["column_count", "", 1, 5],
    ],
  );
  assert.deepEqual(rehearsal.firstEvents.map((text) => JSON.parse(text).user_id), ["ada", "bob"]);
});

Deno.test("rehearseImport() judges lines as the platform does when they are no events", async () => {
  const rehearsal = await rehearse(
    "a.ndjson",
    '{"user_id":"ada","event_type":"x"}\nnonsense\n[]\n',
  );
  const codes = rehearsal.refusals.map(({ code }) => code).sort();
  assert.deepEqual(codes, ["invalid_json", "not_an_object"]);
});
