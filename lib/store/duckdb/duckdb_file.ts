/**
 * One partition's DuckDB file, open: the lock on it, one connection that writes, a few that read.
 *
 * DuckDB's own file lock keeps other processes out, but not a second handle in this process, which
 * would corrupt the file (its POSIX locks belong to the process, and closing either handle drops
 * them). So a lock file beside it is held too: its lock belongs to the open handle.
 */

import { StoreError } from "../event_store.ts";
import { CellAppender } from "./cell_appender.ts";
import { toStoreError } from "./duckdb_error.ts";
import { type Connection, type Database, native } from "./native.ts";
import { readStream, runSql } from "./read_stream.ts";
import { RowAppender } from "./row_appender.ts";
import { CREATE_TABLES, FORMAT_VERSION } from "./schema.ts";

/** Reads that run at the same time on one partition; more wait. */
const READERS_MAX = 4;

/** What the writing side needs; replaced as a whole when a commit fails. */
export interface Writer {
  readonly connection: Connection;
  readonly rows: RowAppender;
  readonly cells: CellAppender;
}

export class DuckdbFile {
  readonly path: string;
  readonly #lock: Deno.FsFile;
  readonly #database: Database;
  #writer: Writer | null = null;
  readonly #idle: Connection[] = [];
  readonly #readers = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];
  #reading = 0;

  private constructor(path: string, lock: Deno.FsFile, database: Database) {
    this.path = path;
    this.#lock = lock;
    this.#database = database;
  }

  /** Opens the file, makes its tables if it is new, and checks its format version. */
  static async open(path: string, settings: Readonly<Record<string, string>>): Promise<DuckdbFile> {
    const lock = lockFile(path);
    let database: Database | null = null;
    try {
      const config = native.create_config();
      for (const [name, value] of Object.entries(settings)) native.set_config(config, name, value);
      database = await native.open(path, config);
      const file = new DuckdbFile(path, lock, database);
      await file.#prepare();
      return file;
    } catch (error) {
      if (database !== null) native.close_sync(database);
      lock.close();
      throw toStoreError(error, "open", path);
    }
  }

  get writer(): Writer {
    if (this.#writer === null) throw new Error("the file has no writing connection");
    return this.#writer;
  }

  /**
   * Drops the writing connection with all that a failed commit left in it, and makes a new one.
   * An appender may still hold rows; without its connection it can never append them.
   */
  async replaceWriter(): Promise<void> {
    this.#dropWriter();
    const connection = await native.connect(this.#database);
    this.#writer = {
      connection,
      rows: new RowAppender(connection),
      cells: new CellAppender(connection),
    };
  }

  /** Runs `work` on a reading connection of its own; it sees committed data only. */
  async read<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#reading >= READERS_MAX) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#reading++;
    }
    try {
      const connection = this.#idle.pop() ?? await this.#connectReader();
      try {
        return await work(connection);
      } finally {
        this.#idle.push(connection);
      }
    } finally {
      // A place is handed on as it is, so that nobody slips in before the one who waited.
      const next = this.#waiting.shift();
      if (next === undefined) this.#reading--;
      else next();
    }
  }

  /** Stops the reads that run, so that they fail soon. */
  interruptReads(): void {
    for (const connection of this.#readers) native.interrupt(connection);
  }

  /** Closes everything; the file can be opened again at once, by this process or another. */
  close(): void {
    this.#dropWriter();
    for (const connection of this.#readers) native.disconnect_sync(connection);
    this.#readers.clear();
    native.close_sync(this.#database);
    this.#lock.close();
  }

  async #connectReader(): Promise<Connection> {
    const connection = await native.connect(this.#database);
    this.#readers.add(connection);
    return connection;
  }

  #dropWriter(): void {
    if (this.#writer === null) return;
    native.disconnect_sync(this.#writer.connection);
    this.#writer = null;
  }

  async #prepare(): Promise<void> {
    const connection = await native.connect(this.#database);
    try {
      let tables = 0, format = 0;
      await readStream(
        connection,
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'state'",
        [],
        (chunk) => tables = chunk.int64(0)[0],
      );
      if (tables === 0) {
        await runSql(connection, `BEGIN; ${CREATE_TABLES}; COMMIT`);
      } else {
        const sql = "SELECT format FROM state";
        await readStream(connection, sql, [], (chunk) => format = chunk.int32(0)[0]);
        if (format !== FORMAT_VERSION) throw formatError(this.path, format);
      }
    } finally {
      native.disconnect_sync(connection);
    }
    await this.replaceWriter();
  }
}

/** Takes the lock beside the file, or throws when another handle has it. */
function lockFile(path: string): Deno.FsFile {
  let lock: Deno.FsFile;
  try {
    lock = Deno.openSync(`${path}.lock`, { create: true, write: true });
  } catch (error) {
    throw toStoreError(error, "open", path);
  }
  if (lock.tryLockSync(true)) return lock;
  lock.close();
  throw new StoreError(
    "RTA_STORE_LOCKED",
    `store ${path} is in use: another process, or another worker of this one, has it open; ` +
      "stop that one, or use another data folder",
  );
}

function formatError(path: string, format: number): StoreError {
  const fix = format > FORMAT_VERSION
    ? "use the release that wrote it, or a later one"
    : "use the release that wrote it, or move the data folder away and import the events again";
  return new StoreError(
    "RTA_STORE_FORMAT",
    `store ${path} has format ${format}, this release reads format ${FORMAT_VERSION}: ${fix}`,
  );
}
