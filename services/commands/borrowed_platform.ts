/**
 * BorrowedPlatform: the platform that a command works with: the one that runs already, or else one
 * that is started for as long as the command takes.
 */
import { join } from "node:path";
import { ImportError } from "../../lib/import/import_error.ts";
import { SERVE_OPTIONS } from "../supervise.ts";

const startMsMax = 30_000;

/** A running platform. */
export interface BorrowedPlatform {
  readonly ingestion: string;
  readonly gateway: string;
  /** Its data folder, if it was started here; null = it ran already. */
  readonly startedOn: string | null;
  /** Ends it, if it was started here. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where to look for one, and what to start otherwise. */
export interface BorrowOptions {
  /** Address of the ingestion port. */
  readonly ingestion: string;
  /** Address of the gateway's port. */
  readonly gateway: string;
  /** Data folder of one that is started. */
  readonly dataFolder: string;
}

/** Throws ImportError when none runs and none can be started. */
export async function borrowPlatform(options: BorrowOptions): Promise<BorrowedPlatform> {
  const { ingestion, gateway, dataFolder } = options;
  if (await answers(ingestion)) {
    return { ingestion, gateway, startedOn: null, [Symbol.asyncDispose]: async () => {} };
  }
  const [program, ...args] = serveCommand();
  const child = new Deno.Command(program, {
    args: [...args, "--data", dataFolder],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const log = new StartLog(child.stdout);
  const end = async () => {
    try {
      child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    await Promise.all([child.status, log.closed]);
  };
  try {
    const urls = await log.ready(startMsMax);
    return { ...urls, startedOn: dataFolder, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Whether anything speaks HTTP there. */
async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(`${url}/health`)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** `serve` of this very program: the compiled binary itself, or Deno on main.ts. */
function serveCommand(): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), "serve"];
  const main = join(import.meta.dirname!, "..", "main.ts");
  return [Deno.execPath(), "run", "--frozen", "--no-prompt", ...SERVE_OPTIONS, main, "serve"];
}

type Urls = Pick<BorrowedPlatform, "ingestion" | "gateway">;

/** Reads the log of a starting platform for the line that says it is ready, and the rest away. */
class StartLog {
  readonly closed: Promise<void>;
  readonly #ready = Promise.withResolvers<Urls>();
  #lastDetail = "";

  constructor(stdout: ReadableStream<Uint8Array>) {
    this.#ready.promise.catch(() => {});
    this.closed = this.#read(stdout);
  }

  /** Rejects with ImportError when the log ends, or the time is over. */
  async ready(timeoutMs: number): Promise<Urls> {
    const timer = setTimeout(() => this.#fail(`not ready within ${timeoutMs} ms`), timeoutMs);
    try {
      return await this.#ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(stdout: ReadableStream<Uint8Array>): Promise<void> {
    let held = "";
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (held + text).split("\n");
      held = lines.pop()!;
      lines.forEach((line) => this.#readLine(line));
    }
    this.#fail(this.#lastDetail);
  }

  #readLine(line: string): void {
    if (!line.startsWith("{")) return;
    const { msg, urls, detail } = JSON.parse(line);
    if (msg === "ready") this.#ready.resolve(urls);
    else if (typeof detail === "string") this.#lastDetail = detail;
  }

  #fail(reason: string): void {
    const message = `the platform could not be started: ${reason}`;
    this.#ready.reject(new ImportError("RTA_IMPORT_SERVER", message));
  }
}
