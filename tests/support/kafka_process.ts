/**
 * One run of a broker's Java process, from its start to its end.
 *
 * The broker writes its log into a file, so that it never waits for us to read. A second small
 * process holds its life to ours: it reads a pipe of which this process has the other end, and when
 * that end closes without the word "done", because this process was killed or interrupted, it kills
 * the broker by its id and removes the folder.
 */
import { withDeadline } from "./deadline.ts";
import { BROKER_STARTED } from "./kafka_properties.ts";

/** Longest a start may take, ms. */
const START_MS_MAX = 60_000;
/** Longest a broker may take to end when it is asked to, ms; then it is killed. */
const STOP_MS_MAX = 30_000;
const pollMs = 10;
/** How much of the log an error message shows, characters. */
const logTailLength = 4_000;

/** What to run, and where. */
export interface KafkaRun {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Standard output and error are appended to it. */
  readonly logFile: string;
  /** Removed when this process ends without having ended the broker; null = nothing is removed. */
  readonly folder: string | null;
}

/** A broker that did not come up; the message shows the end of its log. */
export class KafkaStartError extends Error {
  override readonly name = "KafkaStartError";
  /** Another process has one of its ports. */
  readonly portInUse: boolean;
  constructor(what: string, log: string) {
    super(`the Kafka broker ${what}; the end of its log:\n${log.slice(-logTailLength)}`);
    this.portInUse = /Address already in use|BindException/.test(log);
  }
}

/** A running broker process. */
export class KafkaProcess {
  readonly pid: number;
  /** Resolves when the process has ended, whatever ended it. */
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #lifeline: Deno.ChildProcess;
  readonly #run: KafkaRun;
  readonly #logStart: number;
  #hasEnded = false;
  #paused = false;

  /** Starts the process; `ready()` says when it takes requests. */
  constructor(run: KafkaRun) {
    this.#run = run;
    this.#logStart = sizeOf(run.logFile);
    // exec: the shell becomes the broker, so the child's id is the broker's own.
    this.#child = new Deno.Command("bash", {
      args: ["-c", 'log="$1"; shift; exec "$@" >>"$log" 2>&1', "bash", run.logFile, ...run.command],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.pid = this.#child.pid;
    this.#lifeline = new Deno.Command("bash", {
      // Ctrl-C in a terminal reaches this process too, which has to outlive it.
      args: [
        "-c",
        `trap '' INT TERM HUP; ${lifelineScript}`,
        "bash",
        `${this.pid}`,
        run.folder ?? "",
      ],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.ended = this.#watchEnd();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Waits until the broker takes requests; kills it when that takes too long.
   *
   * @throws {KafkaStartError} with the end of its log
   */
  async ready(): Promise<void> {
    const giveUpAt = performance.now() + START_MS_MAX;
    for (;;) {
      const ended = this.#hasEnded;
      const log = this.log();
      if (log.includes(BROKER_STARTED)) return;
      if (ended) throw new KafkaStartError("ended while it was starting", log);
      if (performance.now() > giveUpAt) {
        await this.kill();
        throw new KafkaStartError(`was not ready within ${START_MS_MAX / 1000} s`, log);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** What this run has logged so far. */
  log(): string {
    return new TextDecoder().decode(Deno.readFileSync(this.#run.logFile).subarray(this.#logStart));
  }

  /** SIGTERM, and waits for the end; SIGKILL when it takes too long. */
  async stop(): Promise<void> {
    if (this.#paused) this.resume();
    this.#signal("SIGTERM");
    try {
      await withDeadline(this.ended, { what: "the broker's end", deadlineMs: STOP_MS_MAX });
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.ended;
  }

  /** SIGSTOP: the process stays, its sockets stay open, nothing is answered. */
  pause(): void {
    this.#paused = true;
    this.#signal("SIGSTOP");
  }

  /** SIGCONT. */
  resume(): void {
    this.#paused = false;
    this.#signal("SIGCONT");
  }

  #signal(signal: Deno.Signal): void {
    if (this.#hasEnded) return;
    try {
      Deno.kill(this.pid, signal);
    } catch (error) {
      // It ended by itself a moment ago.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #watchEnd(): Promise<void> {
    await this.#child.status;
    this.#hasEnded = true;
    const writer = this.#lifeline.stdin.getWriter();
    await writer.write(new TextEncoder().encode("done\n"));
    await writer.close();
    await this.#lifeline.status;
  }
}

/** Arguments: the broker's process id, and a folder to remove or "". */
const lifelineScript = `
read -r word
[ "$word" = done ] && exit 0
kill -KILL "$1"
[ -z "$2" ] || { sleep 0.2; rm -rf -- "$2"; }`;

/** Size of the file, which is made if need be: it is read before the shell has opened it. */
function sizeOf(path: string): number {
  using file = Deno.openSync(path, { create: true, append: true });
  return file.statSync().size;
}
