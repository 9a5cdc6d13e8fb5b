/**
 * A real `rta serve` process for tests: on free ports of 127.0.0.1, on a data folder of its own
 * unless one is given, ended by its id.
 */
import { SERVE_PERMISSIONS } from "../../services/supervise.ts";
import { withDeadline } from "./deadline.ts";

/** Longest a start may take on a busy machine, ms; the product's own bar is 2 s. */
const START_MS_MAX = 30_000;
const ROOT = new URL("../../", import.meta.url);

export interface ServerUrls {
  readonly gateway: string;
  readonly ingestion: string;
  readonly consumer: string;
  readonly analytics: string;
  readonly metrics: string;
}

export interface ServerOptions {
  /** Default: a temporary folder, removed by `stop` and `kill`. */
  readonly dataFolder?: string;
  readonly env?: Record<string, string>;
}

export interface TestServer {
  readonly urls: ServerUrls;
  readonly dataFolder: string;
  readonly pid: number;
  /** How long the start took, ms. */
  readonly startMs: number;
  /** What the process wrote so far. */
  readonly output: () => string;
  /** Resolves with the exit code when the process ends by itself. */
  readonly ended: Promise<number>;
  /** SIGTERM, then waits; gives the exit code. */
  stop(): Promise<number>;
  /** SIGKILL, then waits. */
  kill(): Promise<void>;
  /** Removes the temporary data folder; done by `stop`, not by `kill`. */
  removeData(): void;
}

/** Starts a server and waits until it says that it is ready. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const temporary = options.dataFolder === undefined;
  const dataFolder = options.dataFolder ?? Deno.makeTempDirSync({ prefix: "rta-test-" });
  const startedAt = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...SERVE_PERMISSIONS, new URL("services/main.ts", ROOT).href, "serve"],
    env: {
      RTA_DATA: dataFolder,
      RTA_GATEWAY_PORT: "0",
      RTA_INGESTION_PORT: "0",
      RTA_CONSUMER_PORT: "0",
      RTA_ANALYTICS_PORT: "0",
      RTA_METRICS_PORT: "0",
      ...options.env,
    },
    stdout: "piped",
    stderr: "piped",
    stdin: "null",
  }).spawn();
  const output = new OutputReader(child);
  const ended = child.status.then(({ code }) => code);
  const removeData = () => {
    if (temporary) Deno.removeSync(dataFolder, { recursive: true });
  };
  const urls = await withDeadline(
    Promise.race([
      output.ready,
      ended.then((code) => {
        throw new Error(`the server ended with code ${code}:\n${output.text}`);
      }),
    ]),
    { what: "the start of the server", deadlineMs: START_MS_MAX },
  );
  const end = async (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    const code = await ended;
    await output.closed;
    return code;
  };
  return {
    urls,
    dataFolder,
    pid: child.pid,
    startMs: performance.now() - startedAt,
    output: () => output.text,
    ended,
    stop: async () => {
      const code = await end("SIGTERM");
      removeData();
      return code;
    },
    kill: async () => {
      await end("SIGKILL");
    },
    removeData,
  };
}

/** Keeps what a process writes, and finds the line that says it is ready. */
class OutputReader {
  text = "";
  readonly ready: Promise<ServerUrls>;
  readonly closed: Promise<unknown>;
  #resolve!: (urls: ServerUrls) => void;
  #line = "";

  constructor(child: Deno.ChildProcess) {
    this.ready = new Promise((resolve) => this.#resolve = resolve);
    this.closed = Promise.all([
      this.#read(child.stdout, true),
      this.#read(child.stderr, false),
    ]);
  }

  async #read(stream: ReadableStream<Uint8Array>, log: boolean): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      this.text += text;
      if (log) this.#scan(text);
    }
  }

  #scan(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("{")) continue;
      const entry = JSON.parse(line);
      if (entry.msg === "ready") this.#resolve(entry.urls);
    }
  }
}
