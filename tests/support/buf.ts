/** buf for tests, by scripts/buf.sh; skipped, said loudly and counted, where it can't be fetched. */
import { ROOT } from "../tidy/source_tree.ts";
import { runProgram } from "./kafka_java.ts";

/** How buf ended. */
export interface BufResult {
  readonly code: number;
  /** Standard output as bytes. */
  readonly bytes: Uint8Array;
  /** All that it wrote. */
  readonly text: string;
}

/** Runs buf in the repository's root. */
export async function runBuf(...args: string[]): Promise<BufResult> {
  const { code, stdout, stderr } = await new Deno.Command(`${ROOT}/scripts/buf.sh`, {
    args,
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  return { code, bytes: stdout, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** What defines tests that run buf. */
export async function bufTests(): Promise<
  (name: string, fn: () => Promise<void>) => Deno.TestDefinition
> {
  const { code, output } = await runProgram(`${ROOT}/scripts/buf.sh`, ["--version"], {
    deadlineMs: FETCH_MS_MAX,
  });
  if (code === 0) return (name, fn) => ({ name, fn });
  console.error(`\nNO BUF, so tests are skipped: ${output.trim().slice(-500)}\n`);
  return (name, fn) => ({ name, fn, ignore: true });
}

/** Longest that fetching it may take, ms. */
const FETCH_MS_MAX = 120_000;
