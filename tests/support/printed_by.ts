/** A program run to its end as a user would, for tests. */
import assert from "node:assert/strict";
import { ROOT } from "../tidy/source_tree.ts";
import { withDeadline } from "./deadline.ts";

/** Longest run of one program on a busy machine, ms. */
const PROGRAM_MS_MAX = 90_000;

export interface RunPlace {
  /** The repository's root if missing. */
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** What it prints. Fails unless it ends with 0; it is killed when it takes too long. */
export async function printedBy(
  command: string,
  args: readonly string[],
  { cwd = ROOT, env = {} }: RunPlace = {},
): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const deadline = { what: `${command} ${args.join(" ")}`, deadlineMs: PROGRAM_MS_MAX };
  try {
    const { code, stdout, stderr } = await withDeadline(child.output(), deadline);
    const printed = new TextDecoder().decode(stdout);
    assert.equal(code, 0, `${deadline.what}:\n${printed}${new TextDecoder().decode(stderr)}`);
    return printed;
  } catch (error) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    throw error;
  }
}
