import assert from "node:assert/strict";
import { lockPartition, tryLockPartition } from "./partition_lock.ts";

const LOCK_IN_CHILD = `
import { tryLockPartition } from ${JSON.stringify(new URL("./partition_lock.ts", import.meta.url))};
const lock = tryLockPartition(Deno.args[0], 3);
console.log(lock === null ? "taken" : "locked");
await new Promise((resolve) => setTimeout(resolve, lock === null ? 0 : 60_000));
`;

function lockingChild(folder: string): Deno.ChildProcess {
  const args = ["eval", "--no-lock", LOCK_IN_CHILD, folder];
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
}

async function firstLine(child: Deno.ChildProcess): Promise<string> {
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value).trim();
}

Deno.test("tryLockPartition() gives a partition to one holder when several ask", async () => {
  const folder = Deno.makeTempDirSync();
  const lock = tryLockPartition(folder, 3);
  assert.ok(lock !== null);
  assert.equal(tryLockPartition(folder, 3), null, "another open file of this process");
  const child = lockingChild(folder);
  assert.equal(await firstLine(child), "taken");
  await child.status;
  const other = tryLockPartition(folder, 4);
  assert.ok(other !== null, "another partition");
  other.release();
  lock.release();
  lock.release();
  const again = tryLockPartition(folder, 3);
  assert.ok(again !== null, "released");
  again.release();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("lockPartition() gets the lock when its holder is killed", async () => {
  const folder = Deno.makeTempDirSync();
  const child = lockingChild(folder);
  assert.equal(await firstLine(child), "locked");
  const waits = Promise.withResolvers<void>();
  const locked = lockPartition(folder, 3, new AbortController().signal, waits.resolve);
  await waits.promise;
  child.kill("SIGKILL");
  await child.status;
  const lock = await locked;
  assert.equal(lock?.partition, 3);
  lock?.release();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("lockPartition() gives up when it is aborted", async () => {
  const folder = Deno.makeTempDirSync();
  const held = tryLockPartition(folder, 3);
  const abort = new AbortController();
  assert.equal(await lockPartition(folder, 3, abort.signal, () => abort.abort()), null);
  held?.release();
  Deno.removeSync(folder, { recursive: true });
});
