/**
 * The runtimes that the client library runs on beside Deno, for tests: Node of PATH; Bun of PATH,
 * else the program in its npm package.
 *
 *     .cache/bun-VERSION/
 */
import { join } from "node:path";
import { ROOT } from "../tidy/source_tree.ts";
import { hasProgram, runProgram } from "./kafka_java.ts";
import { endOf, missing, type OutsideProgram, program } from "./outside_program.ts";

const BUN_VERSION = "1.3.5";
/** Longest that installing it may take, ms: 100 MB. */
const INSTALL_MS_MAX = 180_000;

export async function node(): Promise<OutsideProgram> {
  return await hasProgram("node") ? program("node") : missing("node", "put 20 or newer on PATH");
}

export async function bun(): Promise<OutsideProgram> {
  if (await hasProgram("bun")) return program("bun");
  const folder = join(ROOT, ".cache", `bun-${BUN_VERSION}`);
  const name = `@oven/bun-linux-${Deno.build.arch === "aarch64" ? "aarch64" : "x64"}`;
  const path = join(folder, "node_modules", name, "bin", "bun");
  if (await hasProgram(path)) return program(path);
  if (!await hasProgram("npm")) return missing("bun", "install it, or npm to fetch it with");
  await Deno.mkdir(folder, { recursive: true });
  const args = ["install", "--no-save", "--no-fund", "--no-audit", "--prefix", folder];
  const { code, output } = await runProgram("npm", [...args, `${name}@${BUN_VERSION}`], {
    deadlineMs: INSTALL_MS_MAX,
  });
  return code === 0 ? program(path) : missing("bun", endOf(output));
}
