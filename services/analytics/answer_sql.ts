/**
 * Answers to SQL: one SELECT over the view `events` of all partitions.
 *
 *     plan in the engine's process -> which columns -> where the rows end now
 *       -> every partition copies those columns of the range to Parquet files -> run -> rows as text
 *
 * The partitions' own files are never opened by the engine: a second handle could corrupt them. The
 * copies are of the moment of asking, in a folder of their own that is removed whatever happens. One
 * statement at a time; a few more wait.
 */

import {
  SQL_CHARS_MAX,
  SQL_COPIES_MAX,
  SQL_COPY_BYTES_MAX,
  SQL_COPY_FILE_BYTES,
  SQL_COPY_ROWS,
  SQL_MS_MAX,
  SQL_WAITING_MAX,
} from "../../lib/config/export_limits.ts";
import type { TemporaryFolder } from "../../lib/data_folder/temporary_folders.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { fieldOf } from "../../lib/query/event_columns.ts";
import {
  type SqlColumn,
  SqlError,
  type SqlErrorCode,
  type SqlFormat,
  type SqlPlan,
} from "../../lib/sql/sql_protocol.ts";
import { type Patience, withPatience } from "./ask_rows.ts";
import { type Asked, refused } from "./asked_range.ts";
import { type RowsNow, rowsNow, type WindowPorts, WindowSize } from "./read_windows.ts";
import type { SqlProcess } from "./sql_process.ts";

export interface SqlQuestion {
  readonly project: string;
  readonly sql: string;
  /** [startMs, endMs) by event time; null = from the first event, to the last. */
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly format: SqlFormat;
  readonly allowMissing: boolean;
  readonly patience: Patience;
}

/** What SQL needs from the process it runs in. */
export interface SqlPorts extends WindowPorts {
  readonly engine: Pick<SqlProcess, "plan" | "run">;
  makeFolder(): Promise<TemporaryFolder>;
}

export interface SqlResult {
  readonly columns: readonly SqlColumn[];
  /** Rows as the format has them. */
  readonly text: readonly Uint8Array<ArrayBuffer>[];
  readonly rows: number;
  readonly asked: Asked;
  readonly reach: Pick<RowsNow, "missing" | "completeUntilMs">;
}

/** Latest time that an event can have, ms since the epoch. */
const END_OF_TIME_MS = 253_402_300_799_999;

const PROBLEMS = {
  invalid_sql: "invalid_sql",
  result_too_large: "result_too_large",
  resources_exceeded: "resources_exceeded",
  interrupted: "deadline_exceeded",
} as const satisfies Partial<Record<SqlErrorCode, string>>;

export class SqlAnswers {
  readonly #ports: SqlPorts;
  /** Ends with the statement that came last. */
  #last: Promise<unknown> = Promise.resolve();
  #statements = 0;

  constructor(ports: SqlPorts) {
    this.#ports = ports;
  }

  /** Answers a statement. Throws ProblemError. */
  async answer(question: SqlQuestion): Promise<SqlResult> {
    const asked = askedOf(question, this.#ports.now());
    if (this.#statements > SQL_WAITING_MAX) {
      throw new ProblemError("overloaded", `${SQL_WAITING_MAX} statements wait already`);
    }
    this.#statements++;
    const { timeoutMs, gone } = question.patience;
    try {
      return await withPatience({ timeoutMs: timeoutMs ?? SQL_MS_MAX, gone }, (signal) => {
        return this.#inTurn(signal, () => this.#answer(question, asked, signal));
      });
    } catch (error) {
      throw error instanceof SqlError ? problemOf(error) : error;
    } finally {
      this.#statements--;
    }
  }

  /** Does `work` once the statements that came before have ended. */
  #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      signal.throwIfAborted();
      return work();
    });
    this.#last = turn.catch(() => {});
    // Whoever waits is told at its deadline, not when it would be its turn.
    const late = Promise.withResolvers<never>();
    const giveUp = () => late.reject(signal.reason);
    signal.addEventListener("abort", giveUp);
    return Promise.race([turn, late.promise])
      .finally(() => signal.removeEventListener("abort", giveUp));
  }

  async #answer(question: SqlQuestion, asked: Asked, signal: AbortSignal): Promise<SqlResult> {
    const { sql, format } = question;
    const { engine } = this.#ports;
    const plan = await engine.plan(sql, signal);
    const rows = await rowsNow(this.#ports, question.allowMissing, signal);
    await using folder = await this.#ports.makeFolder();
    const copies = `${folder.path}/copies`, spillFolder = `${folder.path}/spill`;
    await Deno.mkdir(copies);
    const files = plan.reads ? await this.#copy(copies, plan, rows, question, asked, signal) : [];
    const run = { sql, folder: copies, files, columns: plan.columns, spillFolder, format };
    const answer = await engine.run(run, signal);
    return { ...answer, asked, reach: rows };
  }

  /** Copies what a statement reads; gives the names of the files. */
  async #copy(
    folder: string,
    { columns }: SqlPlan,
    { ends }: RowsNow,
    { project }: SqlQuestion,
    { startMs: fromMs, endMs: toMs }: Asked,
    signal: AbortSignal,
  ): Promise<string[]> {
    const files: string[] = [];
    const fields = columns.map(fieldOf);
    const fixed = { project, fromMs, toMs, filter: null, columns: fields } as const;
    const form = { compression: "snappy", ordered: false, keepsEmpty: false } as const;
    let bytes = 0;
    const waiting = [...ends];
    const copyNext = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { partition, endSeq } = next;
        const size = new WindowSize({ bytes: SQL_COPY_FILE_BYTES, rows: SQL_COPY_ROWS });
        for (let fromSeq = 0; fromSeq < endSeq;) {
          const toSeq = Math.min(endSeq, fromSeq + size.rows);
          const file = `${partition}-${fromSeq}.parquet`;
          const window = { kind: "row_copy", path: `${folder}/${file}`, fromSeq, toSeq } as const;
          const startedMs = performance.now();
          const question = { ...window, ...fixed, ...form };
          const copied = await this.#ports.askPartition(partition, question, signal);
          const tookMs = performance.now() - startedMs;
          size.learn({ ...copied, scanned: copied.nextSeq - fromSeq, tookMs });
          fromSeq = copied.nextSeq;
          if (copied.bytes > 0) files.push(file);
          bytes += copied.bytes;
          if (bytes > SQL_COPY_BYTES_MAX) throw copyTooLarge();
        }
      }
    };
    await allSettled(Array.from({ length: SQL_COPIES_MAX }, copyNext));
    return files;
  }
}

/** Resolves when all have, rejects with the first failure once all have ended. */
async function allSettled(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function askedOf({ sql, startMs, endMs }: SqlQuestion, atMs: number): Asked {
  if (sql.length > SQL_CHARS_MAX) {
    const detail = `sql must not be longer than ${SQL_CHARS_MAX} characters`;
    throw refused({ parameter: "sql", detail });
  }
  const asked = { startMs: startMs ?? 0, endMs: endMs ?? END_OF_TIME_MS, atMs };
  if (asked.startMs > asked.endMs) {
    const detail = "the range must not start after its end";
    throw refused({ parameter: "time_range", detail });
  }
  return asked;
}

function copyTooLarge(): SqlError {
  const mib = SQL_COPY_BYTES_MAX / (1024 * 1024);
  const detail = `the columns that the statement reads take more than ${mib} MiB; give a shorter ` +
    "time_range, or read fewer columns";
  return new SqlError("resources_exceeded", detail);
}

function problemOf(error: SqlError): ProblemError {
  if (error.code === "failed") {
    return new ProblemError("internal", undefined, { cause: error });
  }
  return new ProblemError(PROBLEMS[error.code], error.message, { field: "sql", cause: error });
}
