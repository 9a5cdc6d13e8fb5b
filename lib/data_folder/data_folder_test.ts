import assert from "node:assert/strict";
import { DataFolderError, lockDataFolder, shareDataFolder } from "./data_folder.ts";

const LOCK_IN_CHILD = `
import { lockDataFolder } from ${JSON.stringify(new URL("./data_folder.ts", import.meta.url).href)};
try { lockDataFolder(Deno.args[0]); console.log("locked"); }
catch (error) { console.log(error.code + " " + error.message); }
`;

async function lockFromChild(folder: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", LOCK_IN_CHILD, folder],
    stdout: "piped",
  });
  return new TextDecoder().decode((await child.output()).stdout).trim();
}

Deno.test("lockDataFolder() keeps another process out and names the holder", async () => {
  const folder = Deno.makeTempDirSync();
  const held = lockDataFolder(`${folder}/data`);
  const refused = await lockFromChild(held.path);
  assert.match(refused, /^RTA_DATA_IN_USE /);
  assert.ok(refused.includes(`process ${Deno.pid}`), refused);
  held.release();
  held.release();
  assert.equal(await lockFromChild(`${folder}/data`), "locked");
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("lockDataFolder() says why when the path is a file", () => {
  const file = Deno.makeTempFileSync();
  assert.throws(
    () => lockDataFolder(file),
    (error) => error instanceof DataFolderError && error.code === "RTA_DATA_UNUSABLE",
  );
  Deno.removeSync(file);
});

Deno.test("shareDataFolder() lets a second one in and leaves the first one's process id", () => {
  const folder = Deno.makeTempDirSync();
  const first = shareDataFolder(folder);
  const second = shareDataFolder(folder);
  assert.equal(second.path, first.path);
  second.release();
  assert.equal(Deno.readTextFileSync(`${folder}/rta.pid`), `${Deno.pid}\n`);
  first.release();
  Deno.removeSync(folder, { recursive: true });
});
