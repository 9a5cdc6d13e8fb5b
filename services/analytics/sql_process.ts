/**
 * The process with the SQL engine as this one sees it: starts it when a statement comes, puts one
 * request at a time to it, ends it when it has been idle, and kills it when it does not stop in time
 * or takes more memory than it may. Statements can so neither take this process's memory nor bring it
 * down (see lib/store/duckdb/sql_engine.ts for what was measured).
 *
 * The process has no network and no environment, reads files, and writes only below the folder of
 * temporary files.
 */
import {
  SQL_IDLE_MS,
  SQL_INTERRUPT_MS,
  SQL_PROCESS_BYTES_MAX,
} from "../../lib/config/export_limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { decodeFrames, encodeFrame } from "../../lib/sql/sql_frames.ts";
import {
  MEMORY_ALARM,
  type SqlColumn,
  SqlError,
  type SqlErrorCode,
  type SqlPlan,
  type SqlReply,
  type SqlRequest,
  type SqlRun,
} from "../../lib/sql/sql_protocol.ts";

const ENTRY = new URL("../../workers/sql_engine.ts", import.meta.url).href;

/** The rows of an answer, as text in blocks. */
export interface SqlAnswer {
  readonly columns: readonly SqlColumn[];
  readonly text: readonly Uint8Array<ArrayBuffer>[];
  readonly rows: number;
}

/** A request under way. */
interface Pending {
  readonly resolve: (answer: SqlAnswer & { plan: SqlPlan | null }) => void;
  readonly reject: (error: Error) => void;
  columns: readonly SqlColumn[];
  readonly text: Uint8Array<ArrayBuffer>[];
}

export class SqlProcess {
  readonly #folder: () => string;
  #child: Deno.ChildProcess | null = null;
  #stdin: WritableStreamDefaultWriter<Uint8Array> | null = null;
  /** When all that the process said is read and it is gone. */
  #ended: Promise<unknown> = Promise.resolve();
  #pending: Pending | null = null;
  /** Why it was killed, for whoever waits. */
  #killedFor: SqlError | null = null;
  /** It has kept so much memory that the next statement might not fit beside it. */
  #isLarge = false;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** @param folder the only one that it may write to, absolute; asked for when it is started */
  constructor(folder: () => string) {
    this.#folder = folder;
  }

  /** Process id while it runs, for tests. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** What a statement reads. Rejects with SqlError, or with the signal's reason. */
  async plan(sql: string, signal: AbortSignal): Promise<SqlPlan> {
    return (await this.#ask({ kind: "plan", sql }, signal)).plan!;
  }

  /** Runs a statement that was planned. Rejects with SqlError, or with the signal's reason. */
  run(run: SqlRun, signal: AbortSignal): Promise<SqlAnswer> {
    return this.#ask({ kind: "run", ...run }, signal);
  }

  /** Ends the process. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#kill(new SqlError("failed", "the server is shutting down"));
    await this.#ended;
  }

  async #ask(
    request: SqlRequest,
    signal: AbortSignal,
  ): Promise<SqlAnswer & { plan: SqlPlan | null }> {
    signal.throwIfAborted();
    if (this.#pending !== null) throw new Error("the SQL engine has a request under way");
    clearTimeout(this.#idle);
    const child = this.#child ?? this.#start();
    let late: ReturnType<typeof setTimeout> | undefined;
    const interrupt = () => {
      this.#send({ kind: "interrupt" });
      late = setTimeout(() => {
        if (this.#child === child) this.#kill(new SqlError("interrupted", "killed"));
      }, SQL_INTERRUPT_MS);
    };
    signal.addEventListener("abort", interrupt);
    try {
      return await new Promise((resolve, reject) => {
        this.#pending = { resolve, reject, columns: [], text: [] };
        this.#send(request);
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(late);
      signal.removeEventListener("abort", interrupt);
      this.#pending = null;
      if (this.#isLarge) this.#letGo();
      else this.#idle = setTimeout(() => this.#letGo(), SQL_IDLE_MS);
    }
  }

  /** The process ends by itself once its stdin has; the next statement gets another one. */
  #letGo(): void {
    this.#stdin?.close().catch(() => {});
    this.#child = this.#stdin = null;
  }

  #start(): Deno.ChildProcess {
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--frozen",
          "--cached-only",
          "--no-prompt",
          "--allow-ffi",
          "--allow-read",
          `--allow-write=${this.#folder()}`,
          "--allow-sys=setPriority",
          ENTRY,
        ],
        // Settings of this process may hold secrets.
        clearEnv: true,
        env: keptEnvironment(),
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (cause) {
      const message = "the process of the SQL engine can't be started; allow it with " +
        `--allow-run=${Deno.execPath()}`;
      throw new ProblemError("sql_disabled", message, { cause });
    }
    this.#child = child;
    this.#stdin = child.stdin.getWriter();
    this.#killedFor = null;
    this.#isLarge = false;
    this.#ended = Promise.all([this.#ended, this.#read(child, this.#stdin)]);
    return child;
  }

  /** Takes what the process says until it ends, whatever the reason. */
  async #read(
    child: Deno.ChildProcess,
    stdin: WritableStreamDefaultWriter<Uint8Array>,
  ): Promise<void> {
    const said = this.#watchAlarms(child);
    let failure: SqlError | null = null;
    try {
      for await (const { message, body } of decodeFrames<SqlReply>(child.stdout)) {
        this.#heard(message, body);
      }
    } catch (cause) {
      failure = new SqlError("failed", "the SQL engine wrote what is no answer", { cause });
      if (this.#child === child) this.#kill(failure);
    }
    const { code, signal } = await child.status;
    const lastWords = await said;
    await stdin.close().catch(() => {});
    if (this.#child !== child) return;
    this.#child = this.#stdin = null;
    const how = signal ?? `code ${code}`;
    const died = new SqlError("failed", `the SQL engine ended (${how}): ${lastWords}`);
    this.#pending?.reject(this.#killedFor ?? failure ?? died);
  }

  /** Reads stderr to its end: kills the process when it asks for it; gives the last of the rest. */
  async #watchAlarms(child: Deno.ChildProcess): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of child.stderr) {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-LAST_WORDS_CHARS);
      if (!text.includes(MEMORY_ALARM) || this.#child !== child) continue;
      const most = SQL_PROCESS_BYTES_MAX / (1024 * 1024);
      const message = `the statement needs more than ${most} MiB of memory: ask for less`;
      this.#kill(new SqlError("resources_exceeded", message));
    }
    return text.trim();
  }

  #heard(reply: SqlReply, body: Uint8Array<ArrayBuffer>): void {
    const pending = this.#pending;
    if (pending === null) return;
    const { columns, text } = pending;
    if ("isLarge" in reply) this.#isLarge = reply.isLarge;
    switch (reply.kind) {
      case "columns":
        pending.columns = reply.columns;
        return;
      case "rows":
        text.push(body);
        return;
      case "planned":
        return pending.resolve({ columns, text, rows: 0, plan: reply.plan });
      case "ran":
        return pending.resolve({ columns, text, rows: reply.rows, plan: null });
      case "refused":
        pending.reject(new SqlError(reply.code satisfies SqlErrorCode, reply.message));
    }
  }

  #send(request: SqlRequest): void {
    // A process that has gone is noticed where its output ends.
    this.#stdin?.write(encodeFrame(request)).catch(() => {});
  }

  #kill(reason: SqlError): void {
    this.#killedFor ??= reason;
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

/** What Deno itself looks for: where its caches are. */
function keptEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["DENO_DIR", "HOME"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** How much of stderr is kept for messages, characters. */
const LAST_WORDS_CHARS = 2_000;
