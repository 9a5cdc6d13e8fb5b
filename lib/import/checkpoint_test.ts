import assert from "node:assert/strict";
import { join } from "node:path";
import { type Checkpoint, CheckpointFile, type ImportIdentity } from "./checkpoint.ts";

const identity: ImportIdentity = {
  fingerprint: "f",
  mapping: "ndjson",
  url: "http://127.0.0.1:8081",
};
const place: Checkpoint = { rows: 12, refused: 1, bytes: 345, sha256: "abc", openRow: null };

function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(join(folder, "state", "imports"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("load() gives what save() was given last", () => {
  withFolder((folder) => {
    const file = new CheckpointFile(folder, identity);
    assert.equal(file.load(), null);
    file.save(place, { file: "a.csv" });
    file.save({ ...place, rows: 13, openRow: "def" }, { file: "a.csv" });
    const again = new CheckpointFile(folder, identity);
    assert.deepEqual(again.load(), { ...place, rows: 13, openRow: "def" });
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => join(folder, name)), [
      file.path,
    ]);
    assert.equal(JSON.parse(Deno.readTextFileSync(file.path)).file, "a.csv");
  });
});

Deno.test("CheckpointFile is another file when file, mapping or platform differ", () => {
  const paths = [
    identity,
    { ...identity, fingerprint: "g" },
    { ...identity, mapping: "csv" },
    { ...identity, url: "http://127.0.0.1:9081" },
  ].map((each) => new CheckpointFile("state", each).path);
  assert.equal(new Set(paths).size, 4);
});

Deno.test("load() gives null when the file is damaged or of another version", () => {
  withFolder((folder) => {
    const file = new CheckpointFile(folder, identity);
    file.save(place, {});
    const good = Deno.readTextFileSync(file.path);
    const damaged = [
      "",
      good.slice(0, 20),
      "null",
      good.replace('"version": 1', '"version": 2'),
      good.replace('"rows": 12', '"rows": -12'),
      good.replace('"openRow": null', '"openRow": 7'),
    ];
    for (const text of damaged) {
      Deno.writeTextFileSync(file.path, text);
      assert.equal(file.load(), null, text);
    }
  });
});

Deno.test("save() throws with the path when the folder can't be made", () => {
  withFolder((folder) => {
    Deno.mkdirSync(join(folder, ".."), { recursive: true });
    Deno.writeTextFileSync(folder, "a file");
    const file = new CheckpointFile(folder, identity);
    assert.throws(() => file.save(place, {}), /progress in .* can't be written/);
  });
});
