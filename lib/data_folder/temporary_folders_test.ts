import assert from "node:assert/strict";
import { TemporaryFolders } from "./temporary_folders.ts";

function dataFolder(): string {
  return Deno.makeTempDirSync({ prefix: "rta-test-" });
}

function foldersIn(path: string): string[] {
  return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => name);
}

Deno.test("TemporaryFolders() removes what a process that is gone left behind, and no other's", async () => {
  const data = dataFolder();
  try {
    // A child that is killed with a file in its folder.
    const code = `import { TemporaryFolders } from ${
      JSON.stringify(new URL("./temporary_folders.ts", import.meta.url).href)
    };
      const folders = TemporaryFolders.open(${JSON.stringify(data)});
      const { path } = await folders.make();
      Deno.writeTextFileSync(path + "/rows", "x");
      console.log(folders.path);
      await new Promise(() => setInterval(() => {}, 1000));`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const left = (await reader.read()).value!.trim();
    const mine = TemporaryFolders.open(data);
    assert.deepEqual(foldersIn(`${data}/temporary`).length, 1, "none before it is needed");
    await mine.make();
    assert.equal(foldersIn(`${data}/temporary`).length, 2, "the other one lives");
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const next = TemporaryFolders.open(data);
    await next.make();
    assert.throws(() => Deno.statSync(left), Deno.errors.NotFound);
    assert.equal(foldersIn(`${data}/temporary`).length, 2);
    await mine.close();
    await next.close();
    assert.deepEqual(foldersIn(`${data}/temporary`), []);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("make() gives a folder that is removed with what is in it", async () => {
  const data = dataFolder();
  const folders = TemporaryFolders.open(data);
  let path: string;
  {
    await using folder = await folders.make();
    ({ path } = folder);
    Deno.mkdirSync(`${path}/deep`);
    Deno.writeTextFileSync(`${path}/deep/rows`, "x");
  }
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  await folders.close();
  await Deno.remove(data, { recursive: true });
});
