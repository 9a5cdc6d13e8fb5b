import assert from "node:assert/strict";
import { addKey, addProject, EMPTY_BOOK } from "./key_book.ts";
import { changeKeyFile, KeyFileError, readKeyFile } from "./key_file.ts";
import { KeyWatch } from "./key_watch.ts";

const NOW_MS = Date.parse("2026-01-31T12:00:00.000Z");
const wish = { project: "default", scopes: ["query"], name: "", expiresAtMs: null } as const;

async function inFolder(use: (path: string) => Promise<void> | void): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-keys-" });
  try {
    await use(`${folder}/keys.json`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("readKeyFile() has no keys when there is no file, and what was written after that", () =>
  inFolder(async (path) => {
    assert.equal(readKeyFile(path), EMPTY_BOOK);
    const { book } = await changeKeyFile(path, (before) => addKey(before, wish, NOW_MS));
    assert.deepEqual(readKeyFile(path), book);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  }));

Deno.test("readKeyFile() says what is wrong without repeating what stands in the file", () =>
  inFolder((path) => {
    const cases: [string, RegExp][] = [
      ["", /is not JSON/],
      ["{", /is not JSON/],
      ["[]", /not valid/],
      [`{"version":2,"projects":[],"keys":[]}`, /version/],
      [`{"version":1,"projects":[],"keys":[],"more":1}`, /not valid/],
      [`{"version":1,"projects":[{"name":"A","created_at":"x"}],"keys":[]}`, /projects\.0\.name/],
      [`{"version":1,"projects":[],"keys":[{"id":"hunter2"}]}`, /keys\.0/],
    ];
    for (const [text, expected] of cases) {
      Deno.writeTextFileSync(path, text);
      assert.throws(() => readKeyFile(path), (error) => {
        assert.ok(error instanceof KeyFileError);
        assert.match(error.message, expected);
        assert.ok(!error.message.includes("hunter2"));
        return true;
      });
    }
  }));

Deno.test("readKeyFile() refuses keys of a project that is not listed, and an id twice", () =>
  inFolder((path) => {
    const { book } = addKey(EMPTY_BOOK, wish, NOW_MS);
    const [key] = book.keys;
    for (const keys of [[{ ...key, project: "lost" }], [key, key]]) {
      Deno.writeTextFileSync(path, JSON.stringify({ ...book, keys }));
      assert.throws(() => readKeyFile(path), KeyFileError);
    }
  }));

Deno.test("changeKeyFile() loses no change when many are made at once", () =>
  inFolder(async (path) => {
    const changes = Array.from(
      { length: 40 },
      (_, index) =>
        changeKeyFile(path, (book) => ({ book: addProject(book, { name: `p${index}` }, NOW_MS) })),
    );
    await Promise.all(changes);
    assert.equal(readKeyFile(path).projects.length, 40);
  }));

Deno.test("changeKeyFile() leaves the file as it was when the change throws", () =>
  inFolder(async (path) => {
    const { book } = await changeKeyFile(path, (before) => addKey(before, wish, NOW_MS));
    await assert.rejects(
      changeKeyFile(path, () => {
        throw new Error("no");
      }),
      /no/,
    );
    assert.deepEqual(readKeyFile(path), book);
    await changeKeyFile(path, (before) => addKey(before, wish, NOW_MS));
    assert.equal(readKeyFile(path).keys.length, 2);
  }));

Deno.test("KeyWatch keeps the last good book while the file is broken, and says so once", () =>
  inFolder(async (path) => {
    const told: string[] = [];
    const { book } = await changeKeyFile(path, (before) => addKey(before, wish, NOW_MS));
    const watch = new KeyWatch({
      path,
      onLook: () => {},
      onChange: ({ keys }) => told.push(`keys ${keys.length}`),
      onFailure: (failure) => told.push(failure === null ? "whole" : "broken"),
      onUnwritable: () => told.push("unwritable"),
    });
    try {
      Deno.writeTextFileSync(path, "{");
      watch.look();
      watch.look();
      assert.deepEqual(watch.book, book);
      assert.match(watch.failure!, /not JSON/);
      Deno.writeTextFileSync(path, JSON.stringify({ ...book, keys: [] }));
      watch.look();
      assert.equal(watch.failure, null);
      assert.deepEqual(told, ["broken", "whole", "keys 0"]);
    } finally {
      await watch.close();
    }
  }));

Deno.test("KeyWatch shows a last use at once, and has it in the file when it closes", () =>
  inFolder(async (path) => {
    const made = await changeKeyFile(path, (before) => addKey(before, wish, NOW_MS));
    const { id } = made.record;
    const ignore = () => {};
    const watch = new KeyWatch({
      path,
      onLook: () => {},
      onChange: ignore,
      onFailure: ignore,
      onUnwritable: ignore,
    });
    assert.equal(watch.lastUseOf(id), null);
    watch.noteUse(id, NOW_MS + 61_000);
    assert.equal(watch.lastUseOf(id), NOW_MS + 60_000);
    await watch.close();
    assert.equal(readKeyFile(path).keys[0].last_used_at, new Date(NOW_MS + 60_000).toISOString());
  }));
