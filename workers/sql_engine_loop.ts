/**
 * The loop of the process with the SQL engine: takes requests from stdin, answers on stdout, until
 * stdin ends, which it does at the latest with the process that started this one.
 *
 * While the engine works, resident memory is looked at every SQL_MEMORY_LOOK_MS. Beyond
 * SQL_PROCESS_BYTES_MAX the process asks by stderr to be killed: by itself it could only exit, and
 * that may hang while native threads run.
 */
import os from "node:os";
import { SQL_MEMORY_LOOK_MS, SQL_PROCESS_BYTES_MAX } from "../lib/config/export_limits.ts";
import { decodeFrames, encodeFrame } from "../lib/sql/sql_frames.ts";
import {
  MEMORY_ALARM,
  SqlError,
  type SqlErrorCode,
  type SqlPlan,
  type SqlReply,
  type SqlRequest,
  type SqlRun,
} from "../lib/sql/sql_protocol.ts";
import type { SqlEngine } from "../lib/store/duckdb/sql_engine.ts";

/** Takes bytes; Deno.stdout and Deno.stderr do. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
}

/** How a request ended. */
type Outcome =
  | { readonly kind: "planned"; readonly plan: SqlPlan }
  | { readonly kind: "ran"; readonly rows: number }
  | { readonly kind: "refused"; readonly code: SqlErrorCode; readonly message: string };

export class SqlEngineLoop {
  readonly #engine: SqlEngine;
  readonly #answers: ByteSink;
  readonly #alarms: ByteSink;

  constructor(engine: SqlEngine, answers: ByteSink, alarms: ByteSink) {
    this.#engine = engine;
    this.#answers = answers;
    this.#alarms = alarms;
  }

  /** Answers requests until there are no more. */
  async run(requests: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const { message } of decodeFrames<SqlRequest>(requests)) {
      if (message.kind === "interrupt") this.#engine.interrupt();
      // Not awaited: it may have to be interrupted.
      else void this.#answer(message);
    }
  }

  async #answer(request: Exclude<SqlRequest, { kind: "interrupt" }>): Promise<void> {
    const watch = setInterval(() => this.#watchMemory(), SQL_MEMORY_LOOK_MS);
    let reply: Outcome;
    try {
      reply = request.kind === "plan"
        ? { kind: "planned", plan: await this.#engine.plan(request.sql) }
        : { kind: "ran", rows: await this.#run(request) };
    } catch (error) {
      const code = error instanceof SqlError ? error.code : "failed";
      reply = { kind: "refused", code, message: String((error as Error)?.message ?? error) };
    } finally {
      clearInterval(watch);
    }
    const isLarge = Deno.memoryUsage().rss > SQL_PROCESS_BYTES_MAX / 2;
    await this.#send({ ...reply, isLarge });
  }

  #run(run: SqlRun): Promise<number> {
    return this.#engine.run(run, {
      columns: (columns) => this.#send({ kind: "columns", columns }),
      rows: (text) => this.#send({ kind: "rows" }, text),
    });
  }

  async #send(reply: SqlReply, body?: Uint8Array): Promise<void> {
    const frame = encodeFrame(reply, body);
    for (let sent = 0; sent < frame.length;) {
      sent += await this.#answers.write(frame.subarray(sent));
    }
  }

  #watchMemory(): void {
    if (Deno.memoryUsage().rss <= SQL_PROCESS_BYTES_MAX) return;
    this.#alarms.writeSync(new TextEncoder().encode(`${MEMORY_ALARM}\n`));
  }
}

/** Lets everything else on the machine go first: to be called before threads are started. */
export function yieldToOthers(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not permitted here: then it runs like everything else.
  }
}
