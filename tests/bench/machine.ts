/** What a bench ran on: facts that figures depend on, and nothing that names the machine. */
import { join } from "node:path";
import { ROOT } from "../tidy/source_tree.ts";
import { quantile } from "./quantile.ts";

const fsyncBytes = 4096;
const fsyncTries = 50;

/** Facts of the machine, one line; the same on two benches of the same machine. */
export async function describeMachine(): Promise<string> {
  const cores = navigator.hardwareConcurrency;
  const gib = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const kernel = `${Deno.build.os} ${Deno.osRelease()}`;
  return `${cores} cores (${await processorName()}), ${gib} GiB memory, ${kernel}, ` +
    `Deno ${Deno.version.deno}`;
}

/** How long a write of 4 KiB with fsync takes in this folder, median, ms. */
export function measureFsyncMs(folder: string): number {
  const path = join(folder, "fsync");
  const file = Deno.openSync(path, { create: true, write: true });
  const block = new Uint8Array(fsyncBytes);
  const tookMs: number[] = [];
  for (let i = 0; i < fsyncTries; i++) {
    const startedAt = performance.now();
    file.writeSync(block);
    file.syncDataSync();
    tookMs.push(performance.now() - startedAt);
  }
  file.close();
  Deno.removeSync(path);
  return quantile(tookMs, 0.5);
}

/** The commit that is measured, with a mark when files differ from it. */
export async function describeCommit(): Promise<string> {
  const commit = await git("rev-parse", "--short", "HEAD");
  if (commit === null) return "no commit";
  // Without optional locks: a bench must not disturb whoever works in the tree.
  const changes = await git("--no-optional-locks", "status", "--porcelain");
  return changes === "" ? commit : `${commit} with changes`;
}

async function processorName(): Promise<string> {
  try {
    const text = await Deno.readTextFile("/proc/cpuinfo");
    return /^model name\s*: (.+)$/m.exec(text)?.[1] ?? Deno.build.arch;
  } catch {
    return Deno.build.arch; // not Linux
  }
}

async function git(...args: string[]): Promise<string | null> {
  try {
    const command = new Deno.Command("git", { args, cwd: ROOT, stderr: "null" });
    const { code, stdout } = await command.output();
    return code === 0 ? new TextDecoder().decode(stdout).trim() : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
