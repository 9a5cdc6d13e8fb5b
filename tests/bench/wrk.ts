/** The load generator wrk: finds it, or installs it where that is allowed, and runs it. */
import { withDeadline } from "../support/deadline.ts";

/** What one run of wrk found; see single_events.lua. */
export interface WrkResult {
  /** Answers of any status. */
  readonly requests: number;
  readonly seconds: number;
  /** Answers whose status was not 2xx or 3xx. */
  readonly refused: number;
  /** Connections, reads or writes that failed, and timeouts. */
  readonly broken: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface WrkOrder {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** File of lines that the requests are made from. */
  readonly linesFile: string;
  /** Ids are numbered from here on; ids that were sent before are duplicates. */
  readonly firstId: number;
}

/** Whether wrk can be run; as root it is installed from the system's packages when missing. */
export async function haveWrk(say: (line: string) => void): Promise<boolean> {
  if (await runs("wrk", ["-v"])) return true;
  if (Deno.uid() !== 0) return false;
  say("wrk is missing; installing it with apt-get");
  return await runs("apt-get", ["update", "-qq"]) &&
    await runs("apt-get", ["install", "-y", "-qq", "wrk"]) && await runs("wrk", ["-v"]);
}

/** Sends single events for some seconds. Throws when any request broke or was refused. */
export async function runWrk(order: WrkOrder): Promise<WrkResult> {
  const { url, connections, seconds, linesFile, firstId } = order;
  const script = new URL("single_events.lua", import.meta.url).pathname;
  const child = new Deno.Command("wrk", {
    args: ["-t", "1", "-c", String(connections), "-d", `${seconds}s`, "--timeout", "10s"]
      .concat("-s", script, url, "--", linesFile, String(firstId)),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { code, stdout, stderr } = await withDeadline(child.output(), {
    what: "wrk",
    deadlineMs: seconds * 1000 + 30_000,
  }).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });
  const line = new TextDecoder().decode(stdout).split("\n").find((text) => text.startsWith("{"));
  if (code !== 0 || line === undefined) {
    throw new Error(`wrk ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  const result = JSON.parse(line) as WrkResult;
  if (result.refused + result.broken > 0) throw new Error(`not every request went well: ${line}`);
  return result;
}

/** Whether a command can be started; its own exit code is of no account for `wrk -v`. */
async function runs(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const { code } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return command === "wrk" || code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
