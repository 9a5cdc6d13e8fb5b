/**
 * The restart loop of `make run`: keeps one `serve` process alive.
 *
 * A shard that hangs, or an engine that dies, can only be cleared by ending the whole process
 * (docs/ARCHITECTURE.md, "Threads"). In production compose, Kubernetes or systemd start it again;
 * on a developer's machine this loop does. It owns three things in the data folder: the lock
 * `supervisor.pid` (held as long as it lives, so that a second loop on one folder fails at once),
 * and `logs/rta.log` with its predecessor, a copy of everything that the child writes.
 *
 *     exit code of the child    what follows
 *     0                         the loop ends with 0
 *     78 (EX_CONFIG)            the loop ends with 78: starting again cannot mend a bad setting
 *     any other, or a signal    started again: at once, then after 250 ms doubling up to 5 s;
 *                               a life of 60 s starts the count anew; 10 quick failures end it
 */
import { join } from "node:path";
import { EXIT_CONFIG, EXIT_OK } from "../lib/config/exit_codes.ts";
import {
  LOG_LINE_BYTES_MAX,
  QUICK_FAILURES_MAX,
  RESTART_WAIT_MS_MAX,
  STOP_MS_MAX,
} from "../lib/config/limits.ts";
import { RotatingLog } from "./rotating_log.ts";

/** What `serve` may do; it loads no code from elsewhere, and starts no program but this very one. */
const SERVE_PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "--allow-ffi", // DuckDB is a native library
  `--allow-run=${Deno.execPath()}`, // SQL has a process of its own (services/analytics/sql_process.ts)
];

/**
 * Options of V8 for every thread of `serve`, whose objects mostly die young. Without them a thread's
 * heap grows to several times of what lives in it: young objects get 48 MiB before anyone looks
 * whether they still live, and the old ones up to four times their size. Measured at a steady 5,000
 * events/s: 550 MiB without; with 4 MiB for the young 20 MiB less than with 8, at the same processor
 * time for a single request (0.98 of it, median of 5 pairs) and for a question. With 2 the main thread
 * took a third fewer single requests a second. Each thread looks through so few young objects by
 * itself: dealt out to other threads, with all cores busy, that took 7 % more processor time of a
 * question and 1 to 6 % more of an event, and 8 MiB.
 */
const V8_OPTIONS =
  "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=40,--no-parallel-scavenge";

/** What `deno run` is given for `serve`. */
export const SERVE_OPTIONS: readonly string[] = [...SERVE_PERMISSIONS, V8_OPTIONS];

const firstWaitMs = 250;
const longLifeMs = 60_000;
const newline = 0x0a;

/** How `superviseServe` runs; tests replace what would take time. */
export interface SuperviseOptions {
  /** The platform's data folder; made if it is missing. */
  readonly dataFolder: string;
  /** Program and leading arguments of the child; `serve` of this very program if missing. */
  readonly command?: readonly string[];
  /** Resolves after `ms`, or at once when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A clock in ms. */
  readonly now?: () => number;
  /** Longest wait for a child that was told to stop before it is killed, ms. */
  readonly stopMs?: number;
}

/**
 * Runs the child with `args` until it ends well, cannot be helped, or SIGINT or SIGTERM arrives;
 * both are passed on as SIGTERM, and the child's end is waited for.
 *
 * @returns the exit code for this process: the child's own, 128 + n after signal n, or EXIT_CONFIG
 * when another loop already runs on the folder
 */
export async function superviseServe(
  args: readonly string[],
  options: SuperviseOptions,
): Promise<number> {
  const { dataFolder, command = rtaCommand("serve"), wait = waitUnlessStopped } = options;
  const { now = Date.now, stopMs = STOP_MS_MAX } = options;
  const lock = takeLock(dataFolder);
  if (lock === null) return EXIT_CONFIG;

  const output = new Output(dataFolder);
  const stop = listenForStop();
  const policy = new RestartPolicy();
  try {
    for (let life = 1;; life++) {
      const startedAt = now();
      const code = await liveOnce([...command, ...args], life, output, stop.signal, stopMs);
      if (code === EXIT_OK || code === EXIT_CONFIG || stop.signal.aborted) return code;

      const waitMs = policy.afterFailure(now() - startedAt);
      if (waitMs === null) {
        output.report(`gave up after ${QUICK_FAILURES_MAX} quick failures`, { code });
        return code;
      }
      output.report("the platform ended unexpectedly and is started again", { code, waitMs });
      await wait(waitMs, stop.signal);
      if (stop.signal.aborted) return code;
    }
  } finally {
    stop.close();
    output.close();
    lock.truncateSync();
    lock.close();
  }
}

/** How long to wait before each restart, and when to give up. */
export class RestartPolicy {
  #quickFailures = 0;

  /** Wait before the next start after a life of `livedMs`, ms; null = give up. */
  afterFailure(livedMs: number): number | null {
    if (livedMs >= longLifeMs) this.#quickFailures = 0;
    this.#quickFailures++;
    if (this.#quickFailures >= QUICK_FAILURES_MAX) return null;
    if (this.#quickFailures === 1) return 0;
    return Math.min(RESTART_WAIT_MS_MAX, firstWaitMs * 2 ** (this.#quickFailures - 2));
  }
}

/** One of this very program's commands, by the compiled binary itself or by Deno on main.ts. */
export function rtaCommand(command: string): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), command];
  const main = join(import.meta.dirname!, "main.ts");
  return [Deno.execPath(), "run", "--frozen", "--no-prompt", ...SERVE_OPTIONS, main, command];
}

/** Starts the child, copies its output, passes a stop on, and returns its exit code. */
async function liveOnce(
  command: readonly string[],
  life: number,
  output: Output,
  stop: AbortSignal,
  stopMs: number,
): Promise<number> {
  const env = Deno.env.toObject();
  // A fault that a test asked for happens in the first life only; the restart must be sound.
  if (life > 1) delete env.RTA_FAULT;
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    clearEnv: true,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  let killer: ReturnType<typeof setTimeout> | undefined;
  const passOn = () => {
    signalChild(child, "SIGTERM");
    killer = setTimeout(() => {
      output.report("the platform did not stop in time and is killed", { stopMs });
      signalChild(child, "SIGKILL");
    }, stopMs);
  };
  stop.addEventListener("abort", passOn, { once: true });
  if (stop.aborted) passOn();
  const [status] = await Promise.all([
    child.status,
    output.copy(child.stdout, Deno.stdout),
    output.copy(child.stderr, Deno.stderr),
  ]);
  stop.removeEventListener("abort", passOn);
  clearTimeout(killer);
  return status.code;
}

/** Sends a signal to a child that may have ended meanwhile. */
function signalChild(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

/** Where the child's output goes: this process's own streams and the log file. */
class Output {
  readonly #log: RotatingLog;

  constructor(dataFolder: string) {
    this.#log = new RotatingLog(join(dataFolder, "logs", "rta.log"));
  }

  /** Copies a stream line by line, so that lines of two streams never mix within one line. */
  async copy(from: ReadableStream<Uint8Array>, to: typeof Deno.stdout): Promise<void> {
    let held = new Uint8Array(0);
    for await (const chunk of from) {
      const bytes = held.length === 0 ? chunk : concat(held, chunk);
      const whole = bytes.length > LOG_LINE_BYTES_MAX
        ? bytes.length
        : bytes.lastIndexOf(newline) + 1;
      this.#write(bytes.subarray(0, whole), to);
      held = bytes.slice(whole);
    }
    this.#write(held, to);
  }

  /** Writes one log line of the loop's own, in the form of the platform's log. */
  report(msg: string, fields: Record<string, unknown>): void {
    const line = { level: "warn", time: new Date().toISOString(), stage: "supervise", ...fields };
    this.#write(new TextEncoder().encode(JSON.stringify({ ...line, msg }) + "\n"), Deno.stdout);
  }

  close(): void {
    this.#log.close();
  }

  #write(lines: Uint8Array, to: typeof Deno.stdout): void {
    if (lines.length === 0) return;
    this.#log.write(lines);
    try {
      for (let written = 0; written < lines.length;) {
        written += to.writeSync(lines.subarray(written));
      }
    } catch (error) {
      // Nobody reads any more (`make run | head`); the platform goes on and the file has the lines.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }
}

/** Joins two byte arrays. */
function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const both = new Uint8Array(head.length + tail.length);
  both.set(head);
  both.set(tail, head.length);
  return both;
}

/** Locks the data folder for this loop and notes its process id there; null when it is taken. */
function takeLock(dataFolder: string): Deno.FsFile | null {
  Deno.mkdirSync(dataFolder, { recursive: true });
  const path = join(dataFolder, "supervisor.pid");
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  if (!file.tryLockSync(true)) {
    const pid = Deno.readTextFileSync(path).trim();
    console.error(`rta already runs on ${dataFolder} (process ${pid}). Stop it with: make stop`);
    file.close();
    return null;
  }
  file.truncateSync();
  file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  return file;
}

/** A signal that aborts when this process is asked to end. */
function listenForStop(): { signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const names: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const name of names) Deno.addSignalListener(name, abort);
  return {
    signal: controller.signal,
    close: () => names.forEach((name) => Deno.removeSignalListener(name, abort)),
  };
}

/** Resolves after `ms`, or at once when the signal aborts. */
function waitUnlessStopped(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0 || signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
