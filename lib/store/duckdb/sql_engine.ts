/**
 * Answers one SELECT at a time over rows that were copied to Parquet files, in DuckDB databases of
 * its own, in memory, that can reach nothing else.
 *
 *     plan   parse and check (sql_statement.ts), bind against an empty `events`, and read from the
 *            plan which columns it needs
 *     run    a new database whose `events` is a view of the files; then its settings are locked: no
 *            file outside the folder, no network, no extension, no setting
 *
 * It is made to live in a process of its own. DuckDB's memory limit does not hold for what functions
 * allocate (measured on 1.5.4 with memory_limit=256MB: `repeat('x', 2e9)`, range() as a list and
 * replace() took 4 to 10 GB, and an interrupt was not heard meanwhile), so whoever runs this has to be
 * able to kill it.
 */
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBType,
  type DuckDBValue,
  StatementType,
} from "@duckdb/node-api";
import {
  SQL_BLOCK_BYTES,
  SQL_MEMORY_MB,
  SQL_RESULT_BYTES_MAX,
  SQL_ROWS_MAX,
  SQL_SPILL_MB,
  SQL_THREADS,
} from "../../config/export_limits.ts";
import { csvRow } from "../../csv/csv_row.ts";
import {
  type SqlColumn,
  SqlError,
  type SqlFormat,
  type SqlPlan,
  type SqlRun,
} from "../../sql/sql_protocol.ts";
import { EVENT_COLUMNS, type EventColumn } from "../../query/event_columns.ts";
import { COLUMN_TYPES } from "./column_types.ts";
import { isOutOfMemory } from "./duckdb_error.ts";
import { checkStatement } from "./sql_statement.ts";
import { cellText, jsonValue } from "./sql_values.ts";

/** Settings of every database of the engine. */
const CLOSED = {
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  allow_community_extensions: "false",
  allow_unsigned_extensions: "false",
};

/** After these nothing can be reached or changed any more. */
const LOCK = "SET enable_external_access = false; SET lock_configuration = true";

/** What tells which columns are needed; the others could answer from an empty table by themselves. */
const KEPT_OPTIMIZERS = new Set(["unused_columns", "column_lifetime"]);

/** Takes the beginning of an answer, then text of its rows, block by block. */
export interface SqlSink {
  columns(columns: readonly SqlColumn[]): Promise<void>;
  rows(text: Uint8Array): Promise<void>;
}

export class SqlEngine {
  readonly #instance: DuckDBInstance;
  readonly #planner: DuckDBConnection;
  /** The connection that works now. */
  #busy: DuckDBConnection | null = null;
  #interrupted = false;

  private constructor(instance: DuckDBInstance, planner: DuckDBConnection) {
    this.#instance = instance;
    this.#planner = planner;
  }

  static async open(): Promise<SqlEngine> {
    const settings = { ...CLOSED, threads: "1", memory_limit: `${SQL_MEMORY_MB}MiB` };
    const instance = await DuckDBInstance.create(":memory:", settings);
    const planner = await instance.connect();
    const optimizers = (await planner.runAndReadAll("SELECT name FROM duckdb_optimizers()"))
      .getRowsJson().map(([name]) => String(name)).filter((name) => !KEPT_OPTIMIZERS.has(name));
    const columns = EVENT_COLUMNS.map((name) => `${name} ${COLUMN_TYPES[name]}`);
    await planner.run(`CREATE TABLE events(${columns.join()}); SET TimeZone = 'UTC';
      SET disabled_optimizers = '${optimizers.join()}'; ${LOCK}`);
    return new SqlEngine(instance, planner);
  }

  close(): void {
    this.#planner.closeSync();
    this.#instance.closeSync();
  }

  /** Ends what is being done, soon. */
  interrupt(): void {
    this.#interrupted = true;
    this.#busy?.interrupt();
  }

  /** What a statement reads. Throws SqlError. */
  plan(sql: string): Promise<SqlPlan> {
    return this.#working(this.#planner, async (planner) => {
      // The engine would take what comes before it for the whole.
      if (sql.includes("\0")) throw new SqlError("invalid_sql", "the statement contains U+0000");
      const parsed = await planner.runAndReadAll("SELECT json_serialize_sql(?::VARCHAR)", [sql]);
      checkStatement(String(parsed.getRowsJson()[0][0]));
      const statements = await planner.extractStatements(sql);
      if (statements.count !== 1) throw new SqlError("invalid_sql", "send one SELECT");
      const prepared = await statements.prepare(0);
      const { statementType } = prepared;
      prepared.destroySync();
      if (statementType !== StatementType.SELECT) {
        throw new SqlError("invalid_sql", "send one SELECT");
      }
      const explained = await planner.runAndReadAll(`EXPLAIN (FORMAT json) ${sql}`);
      return columnsOf(JSON.parse(String(explained.getRowsJson()[0][1])));
    });
  }

  /** Answers a statement that was planned. Gives the number of its rows; throws SqlError. */
  async run(run: SqlRun, sink: SqlSink): Promise<number> {
    const instance = await DuckDBInstance.create(":memory:", {
      ...CLOSED,
      threads: String(SQL_THREADS),
      memory_limit: `${SQL_MEMORY_MB}MiB`,
      temp_directory: run.spillFolder,
      max_temp_directory_size: `${SQL_SPILL_MB}MiB`,
    });
    const connection = await instance.connect();
    try {
      await connection.run(`SET TimeZone = 'UTC'; ${viewSql(run)};
        SET allowed_directories = [${text(`${run.folder}/`)}]; ${LOCK}`);
      return await this.#working(connection, (c) => answer(c, run, sink));
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  async #working<T>(
    connection: DuckDBConnection,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    this.#busy = connection;
    this.#interrupted = false;
    try {
      return await work(connection);
    } catch (error) {
      throw this.#interrupted ? new SqlError("interrupted", "interrupted") : toSqlError(error);
    } finally {
      this.#busy = null;
    }
  }
}

interface PlanNode {
  readonly name?: string;
  readonly children?: readonly PlanNode[];
  readonly extra_info?: { readonly Projections?: string | readonly string[] };
}

/** Columns that the scans of a plan give. */
function columnsOf(plan: readonly PlanNode[]): SqlPlan {
  let reads = false;
  const needed = new Set<string>();
  const waiting = [...plan];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    waiting.push(...node.children ?? []);
    if (node.name?.trim() !== "SEQ_SCAN") continue;
    reads = true;
    for (const name of [node.extra_info?.Projections ?? []].flat()) needed.add(name);
  }
  return { reads, columns: EVENT_COLUMNS.filter((name) => needed.has(name)) };
}

/** The view `events`; columns that the files do not have are null, and nobody asks for them. */
function viewSql({ folder, files, columns }: SqlRun): string {
  const given = new Set<EventColumn>(columns);
  const isEmpty = files.length === 0;
  const list = EVENT_COLUMNS.map((name) => {
    const value = given.has(name) && !isEmpty ? name : "NULL";
    return `${value}::${COLUMN_TYPES[name]} AS ${name}`;
  });
  if (isEmpty) return `CREATE VIEW events AS SELECT ${list.join()} WHERE false`;
  const paths = files.map((file) => text(`${folder}/${file}`));
  return `CREATE VIEW events AS SELECT ${list.join()} FROM read_parquet([${paths.join()}])`;
}

async function answer(connection: DuckDBConnection, run: SqlRun, sink: SqlSink): Promise<number> {
  const result = await connection.stream(run.sql);
  const names = result.columnNames(), types = result.columnTypes();
  await sink.columns(names.map((name, i) => ({ name, type: types[i].alias ?? String(types[i]) })));
  const writer = new RowWriter(run.format, types, sink);
  if (run.format === "csv") await writer.add(csvRow(names));
  await writeRows(result, writer);
  await writer.flush();
  return writer.rows;
}

async function writeRows(result: DuckDBResult, writer: RowWriter): Promise<void> {
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    for (let row = 0; row < chunk.rowCount; row++) await writer.addRow(chunk.getRowValues(row));
  }
}

/** Writes rows as text, in blocks, within the limits of an answer. */
class RowWriter {
  rows = 0;
  readonly #format: SqlFormat;
  readonly #types: readonly DuckDBType[];
  readonly #sink: SqlSink;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #waitingChars = 0;
  #bytes = 0;

  constructor(format: SqlFormat, types: readonly DuckDBType[], sink: SqlSink) {
    this.#format = format;
    this.#types = types;
    this.#sink = sink;
  }

  async addRow(values: readonly DuckDBValue[]): Promise<void> {
    if (this.rows === SQL_ROWS_MAX) {
      throw tooLarge(`the answer has more than ${SQL_ROWS_MAX} rows`);
    }
    const types = this.#types;
    const isFirst = this.rows++ === 0;
    if (this.#format === "csv") {
      return await this.add(csvRow(values.map((value, i) => cellText(value, types[i]))));
    }
    const json = JSON.stringify(values.map((value, i) => jsonValue(value, types[i])));
    await this.add(isFirst ? json : `,${json}`);
  }

  async add(text: string): Promise<void> {
    this.#waiting.push(text);
    this.#waitingChars += text.length;
    if (this.#waitingChars >= SQL_BLOCK_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = this.#encoder.encode(this.#waiting.join(""));
    this.#waiting = [];
    this.#waitingChars = 0;
    this.#bytes += bytes.length;
    if (this.#bytes > SQL_RESULT_BYTES_MAX) {
      throw tooLarge(`the answer is longer than ${SQL_RESULT_BYTES_MAX} bytes`);
    }
    if (bytes.length > 0) await this.#sink.rows(bytes);
  }
}

function tooLarge(what: string): SqlError {
  return new SqlError("result_too_large", `${what}: add LIMIT, aggregate, or use /v1/export`);
}

/** What DuckDB threw, by whose fault it is. */
function toSqlError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/max_temp_directory_size|no space left/i.test(message)) {
    const what = `the statement needs more than ${SQL_SPILL_MB} MiB of temporary space`;
    return new SqlError("resources_exceeded", `${what}: ask for less`, { cause: error });
  }
  if (isOutOfMemory(error) || /bad allocation|bad_alloc/i.test(message)) {
    const what = `the statement needs more than ${SQL_MEMORY_MB} MiB of memory`;
    return new SqlError("resources_exceeded", `${what}: ask for less`, { cause: error });
  }
  if (/^(INTERNAL|FATAL|IO) Error/.test(message)) {
    return new SqlError("failed", message, { cause: error });
  }
  return new SqlError("invalid_sql", message.trim(), { cause: error });
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
