/**
 * A real `rta` process for tests: on free ports of 127.0.0.1, on a data folder of its own unless
 * one is given, ended by its id. `startServer` gives a `serve` that is ready; `spawnRta` gives any
 * command at once, for tests of what happens before that.
 */
import { isFileLocked } from "../../lib/data_folder/data_folder.ts";
import { SERVE_OPTIONS } from "../../services/supervise.ts";
import { waitUntil, withDeadline } from "./deadline.ts";

/** Longest a start may take on a busy machine, ms; the product's own bar is 2 s. */
export const START_MS_MAX = 30_000;
/** Longest a stop may take before it counts as hung, ms; the product's own bar is 10 s. */
const STOP_MS_MAX = 30_000;
const MAIN = new URL("../../services/main.ts", import.meta.url).href;

export interface ServerUrls {
  readonly gateway: string;
  readonly ingestion: string;
  readonly consumer: string;
  readonly analytics: string;
  readonly metrics: string;
}

export interface ServerOptions {
  /** Default: a temporary folder, removed by `stop`, `removeData` and `await using`. */
  readonly dataFolder?: string;
  readonly env?: Record<string, string>;
  /** Of startServer(): the roles of the process; default all. */
  readonly roles?: string;
  /** No file may grow beyond this, KiB: writing fails as on a full disk (EFBIG for ENOSPC). */
  readonly fileKibMax?: number;
}

/** One line of the process's log. */
export interface LogEntry {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A process, ready or not. `await using` kills it and removes its temporary folder. */
export interface RtaProcess extends AsyncDisposable {
  readonly dataFolder: string;
  readonly pid: number;
  /** What the process wrote so far, standard output and error. */
  readonly output: () => string;
  /** The lines of its log so far. */
  readonly entries: readonly LogEntry[];
  /** Waits for the first line of the log, from the `from`th on, that says `msg`. */
  waitForEntry(msg: string, options?: { deadlineMs?: number; from?: number }): Promise<LogEntry>;
  /** Resolves with the exit code when the process ends by itself. */
  readonly ended: Promise<number>;
  /** Sends a signal; nothing happens when the process has ended. */
  signal(signal: Deno.Signal): void;
  /** SIGTERM, then waits; gives the exit code and removes a temporary folder. */
  stop(): Promise<number>;
  /** SIGKILL, then waits. */
  kill(): Promise<void>;
  /** Removes the temporary data folder; done by `stop`, not by `kill`. */
  removeData(): void;
}

/** A server that was ready. */
export interface TestServer extends RtaProcess {
  readonly urls: ServerUrls;
  /** How long the start took, ms. */
  readonly startMs: number;
}

/** Starts a server and waits until it says that it is ready. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const startedAt = performance.now();
  const { roles } = options;
  const server = spawnRta(roles === undefined ? ["serve"] : ["serve", "--roles", roles], options);
  const urls = await readyUrls(server);
  return Object.assign(server, { urls, startMs: performance.now() - startedAt });
}

/** Waits until a process says that it is ready; kills it when it does not. */
export async function readyUrls(server: RtaProcess): Promise<ServerUrls> {
  let code: number | null = null;
  void server.ended.then((ended) => code = ended);
  try {
    return await waitUntil(() => {
      const ready = server.entries.find((entry) => entry.msg === "ready");
      if (ready !== undefined) return ready.urls as ServerUrls;
      if (code === null) return null;
      throw new Error(`the server ended with code ${code}:\n${server.output()}`);
    }, { what: `the start of process ${server.pid}`, deadlineMs: START_MS_MAX });
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Starts `rta` with these arguments. `run` starts `serve` itself and passes the settings on. */
export function spawnRta(args: readonly string[], options: ServerOptions = {}): RtaProcess {
  const temporary = options.dataFolder === undefined;
  const dataFolder = options.dataFolder ?? Deno.makeTempDirSync({ prefix: "rta-test-" });
  const denoOptions = args[0] === "run" ? [...SERVE_OPTIONS, "--allow-run"] : SERVE_OPTIONS;
  const command = [Deno.execPath(), "run", ...denoOptions, MAIN, ...args];
  if (options.fileKibMax !== undefined) {
    const limited = `trap '' XFSZ; ulimit -f ${options.fileKibMax}; exec "$@"`;
    command.unshift("bash", "-c", limited, "bash");
  }
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    env: {
      RTA_DATA: dataFolder,
      RTA_GATEWAY_PORT: "0",
      RTA_INGESTION_PORT: "0",
      RTA_CONSUMER_PORT: "0",
      RTA_ANALYTICS_PORT: "0",
      RTA_METRICS_PORT: "0",
      RTA_INGESTION_GRPC_PORT: "0",
      RTA_CONSUMER_GRPC_PORT: "0",
      RTA_ANALYTICS_GRPC_PORT: "0",
      RTA_METRICS_GRPC_PORT: "0",
      ...options.env,
    },
    stdout: "piped",
    stderr: "piped",
    stdin: "null",
  }).spawn();
  return new SpawnedRta(child, dataFolder, { temporary, supervises: args[0] === "run" });
}

class SpawnedRta implements RtaProcess {
  readonly pid: number;
  readonly ended: Promise<number>;
  readonly entries: LogEntry[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #closed: Promise<unknown>;
  #text = "";
  #line = "";
  #temporary: boolean;
  readonly #supervises: boolean;

  constructor(
    child: Deno.ChildProcess,
    readonly dataFolder: string,
    { temporary, supervises }: { temporary: boolean; supervises: boolean },
  ) {
    this.pid = child.pid;
    this.#child = child;
    this.#temporary = temporary;
    this.#supervises = supervises;
    this.#closed = Promise.all([
      this.#read(child.stdout, true),
      this.#read(child.stderr, false),
    ]);
    // The log is whole once the pipes are closed, so the end is told after that.
    this.ended = child.status.then(async ({ code }) => {
      await this.#closed;
      return code;
    });
  }

  readonly output = () => this.#text;

  waitForEntry(msg: string, { deadlineMs = START_MS_MAX, from = 0 } = {}): Promise<LogEntry> {
    return waitUntil(
      () => this.entries.slice(from).find((entry) => entry.msg === msg),
      { what: `the log line "${msg}" of process ${this.pid}`, deadlineMs },
    );
  }

  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async stop(): Promise<number> {
    this.signal("SIGTERM");
    const deadline = { what: "the end after SIGTERM", deadlineMs: STOP_MS_MAX };
    const code = await withDeadline(this.ended, deadline);
    this.removeData();
    return code;
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  removeData(): void {
    if (!this.#temporary) return;
    this.#temporary = false;
    Deno.removeSync(this.dataFolder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    // Beside a `serve` of its own, other processes may share the folder.
    if (this.#supervises) await this.#killHolder();
    this.removeData();
  }

  /** Ends the `serve` that a killed `run` left behind. The lock says that its id is still its own. */
  async #killHolder(): Promise<void> {
    await waitUntil(() => {
      if (!isFileLocked(`${this.dataFolder}/rta.lock`)) return true;
      const pid = Number(Deno.readTextFileSync(`${this.dataFolder}/rta.pid`));
      if (pid > 0) Deno.kill(pid, "SIGKILL");
      return false;
    }, { what: "the end of the process that holds the data folder" });
  }

  async #read(stream: ReadableStream<Uint8Array>, isLog: boolean): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      this.#text += text;
      if (isLog) this.#scan(text);
    }
  }

  #scan(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop()!;
    for (const line of lines) if (line.startsWith("{")) this.entries.push(JSON.parse(line));
  }
}
