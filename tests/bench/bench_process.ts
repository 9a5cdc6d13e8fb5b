/**
 * Parts of a bench that need a process of their own: load, peers. The order goes in as JSON on the
 * command line; lines of JSON come back on standard output, `{"started":{...}}` and at the end
 * `{"result":...}`. A process that works until it is told to end does so when its standard input
 * closes.
 */
import { withDeadline } from "../support/deadline.ts";

/** One such process, seen from the bench. */
export interface BenchProcess<Result> {
  readonly pid: number;
  /** It is warm, and begins to measure or to answer; what it said then. */
  readonly started: Promise<Readonly<Record<string, number>>>;
  /** What it found. Rejects when it fails or takes too long; it is killed then. */
  readonly result: Promise<Result>;
  /** Asks it to end, and gives what it found. */
  finish(): Promise<Result>;
}

/**
 * Starts a file of this folder.
 *
 * @param flags for Deno, before the file
 */
export function startBenchProcess<Result>(
  file: string,
  order: unknown,
  deadlineMs: number,
  flags: readonly string[] = [],
): BenchProcess<Result> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", ...flags, new URL(file, import.meta.url).href].concat(
      JSON.stringify(order),
    ),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const started = Promise.withResolvers<Record<string, number>>();
  const reading = readResult<Result>(child, file, started.resolve);
  const result = withDeadline(reading, { what: file, deadlineMs }).catch((error) => {
    started.reject(error);
    killProcess(child);
    throw error;
  });
  // Whoever waits for only one of the two must not be ended by the other.
  started.promise.catch(() => {});
  result.catch(() => {});
  return {
    pid: child.pid,
    started: started.promise,
    result,
    finish: async () => {
      await child.stdin.close().catch(() => {});
      return await result;
    },
  };
}

/** Runs a file of this folder to its end. */
export async function runBenchProcess<Result>(
  file: string,
  order: unknown,
  deadlineMs: number,
  flags: readonly string[] = [],
): Promise<Result> {
  return await startBenchProcess<Result>(file, order, deadlineMs, flags).finish();
}

/** Inside such a process: the order it was given. */
export function readOrder<Order>(): Order {
  return JSON.parse(Deno.args[0]);
}

/** Inside such a process: says that it begins to measure or to answer. */
export function sayStarted(details: Readonly<Record<string, number>> = {}): void {
  console.log(JSON.stringify({ started: details }));
}

/** Inside such a process: gives the result. */
export function sayResult(result: unknown): void {
  console.log(JSON.stringify({ result }));
}

/** Inside such a process: resolves when the bench asks it to end. */
export async function toldToEnd(): Promise<void> {
  await Deno.stdin.readable.pipeTo(new WritableStream());
}

async function readResult<Result>(
  child: Deno.ChildProcess,
  file: string,
  onStarted: (details: Record<string, number>) => void,
): Promise<Result> {
  let found: { result: Result } | null = null;
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const text of lines) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    for (const line of parts) {
      const message = JSON.parse(line);
      if (message.started) onStarted(message.started);
      else found = message;
    }
  }
  const { code } = await child.status;
  if (code !== 0 || found === null) throw new Error(`${file} ended with code ${code}`);
  onStarted({});
  return found.result;
}

function killProcess(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
