/**
 * One partition's DuckDB file, open: the lock on it, one connection that writes, a few that read.
 *
 * The file is attached to an in-memory database rather than opened itself, because only ATTACH can
 * name the row group size. Rows stand in groups of 30,720 in place of DuckDB's 122,880: a commit
 * of that many rows already skips the write-ahead log, and a checkpoint rewrites a quarter of what
 * it otherwise would. The temporary folder must be the file's own: in-memory databases share
 * ".tmp" by default, and two of them in one process then read each other's pages.
 *
 * DuckDB's own file lock keeps other processes out, but not a second handle in this process, which
 * would corrupt the file (its POSIX locks belong to the process, and closing either handle drops
 * them). So a lock file beside it is held too: its lock belongs to the open handle.
 */

import {
  STORE_LOCK_MS_MAX,
  STORE_READS_MAX,
  STORE_USER_READS_MAX,
} from "../../config/store_limits.ts";
import { StoreError } from "../event_store.ts";
import { CellAppender } from "./cell_appender.ts";
import { registerChunkFunction } from "./chunks_in_place.ts";
import { toStoreError } from "./duckdb_error.ts";
import { type Connection, type Database, native } from "./native.ts";
import { readStream, runSql } from "./read_stream.ts";
import { ReadPlaces } from "./read_places.ts";
import { RecentAppender } from "./recent_appender.ts";
import { RowAppender } from "./row_appender.ts";
import { CATALOG, CREATE_RECENT, CREATE_TABLES, FORMAT_VERSION } from "./schema.ts";

/** Rows in one row group: 15 chunks. Fixed for the life of the file. */
const ROW_GROUP_ROWS = 30_720;

/** How often a lock that is taken is tried again, ms. */
const LOCK_POLL_MS = 10;

/** Storage format of the file: the newest that the pinned DuckDB writes. */
const STORAGE_VERSION = "v1.5.0";

/** Attaches a file under a name, with all that is fixed for its life. */
export function attachSql(path: string, name: string): string {
  return `ATTACH '${path.replaceAll("'", "''")}' AS ${name}
    (ROW_GROUP_SIZE ${ROW_GROUP_ROWS}, STORAGE_VERSION '${STORAGE_VERSION}')`;
}

/** What the writing side needs; replaced as a whole when a commit fails. */
export interface Writer {
  readonly connection: Connection;
  readonly rows: RowAppender | RecentAppender;
  readonly cells: CellAppender;
}

export class DuckdbFile {
  readonly path: string;
  readonly #keepsRows: boolean;
  readonly #lock: Deno.FsFile;
  readonly #database: Database;
  #writer: Writer | null = null;
  readonly #idle: Connection[] = [];
  readonly #readers = new Set<Connection>();
  readonly #places = new ReadPlaces(STORE_READS_MAX);
  /** Of reads about one user: a few ms each, which must not wait for scans of all rows. */
  readonly #userPlaces = new ReadPlaces(STORE_USER_READS_MAX);
  /** Set while reads are held back. */
  #pause: Promise<void> | null = null;
  #drained: (() => void) | null = null;
  #stopping = false;
  #closed = false;

  private constructor(path: string, keepsRows: boolean, lock: Deno.FsFile, database: Database) {
    this.path = path;
    this.#keepsRows = keepsRows;
    this.#lock = lock;
    this.#database = database;
  }

  /** Opens the file, makes its tables if it is new, and checks what it was made for. */
  static async open(
    path: string,
    settings: Readonly<Record<string, string>>,
    keepsRows = true,
  ): Promise<DuckdbFile> {
    const lock = await lockFile(path);
    let database: Database | null = null;
    try {
      removeLeftovers(path);
      const config = native.create_config();
      native.set_config(config, "temp_directory", `${path}.tmp`);
      for (const [name, value] of Object.entries(settings)) native.set_config(config, name, value);
      database = await native.open(":memory:", config);
      await attach(database, path, keepsRows);
      const file = new DuckdbFile(path, keepsRows, lock, database);
      await file.replaceWriter();
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
    // Rolling back takes a while when there is much of it: not on this thread.
    if (this.#writer !== null) await runSql(this.#writer.connection, "ROLLBACK").catch(() => {});
    this.#dropWriter();
    const connection = await connect(this.#database);
    try {
      const rows = this.#keepsRows ? new RowAppender(connection) : new RecentAppender(connection);
      this.#writer = { connection, rows, cells: new CellAppender(connection) };
    } catch (error) {
      native.disconnect_sync(connection);
      throw error;
    }
  }

  /**
   * Runs `work` on a reading connection of its own; it sees committed data only.
   *
   * @param isOfUser whether it reads about one user, and so takes a place of its own kind
   */
  async read<T>(work: (connection: Connection) => Promise<T>, isOfUser = false): Promise<T> {
    while (this.#pause !== null) await this.#pause;
    const places = isOfUser ? this.#userPlaces : this.#places;
    await places.take();
    try {
      if (this.#stopping) throw new Error("the store is closing");
      const connection = this.#idle.pop() ?? await this.#connectReader();
      try {
        const answer = await work(connection);
        this.#idle.push(connection);
        return answer;
      } catch (error) {
        // What a failure left of its transaction is not for the next read to find out.
        this.#readers.delete(connection);
        native.disconnect_sync(connection);
        throw error;
      }
    } finally {
      places.give();
      if (this.#reading === 0) this.#drained?.();
    }
  }

  get #reading(): number {
    return this.#places.taken + this.#userPlaces.taken;
  }

  /** Runs `work` while no read runs: lets those under way end and holds new ones back. */
  async withoutReads(work: () => Promise<void>): Promise<void> {
    const pause = Promise.withResolvers<void>();
    this.#pause = pause.promise;
    try {
      if (this.#reading > 0) await new Promise<void>((resolve) => this.#drained = resolve);
      await work();
    } finally {
      this.#pause = this.#drained = null;
      pause.resolve();
    }
  }

  /** Stops the reads that run and takes no more, so that they end soon. */
  interruptReads(): void {
    this.#stopping = true;
    for (const connection of this.#readers) native.interrupt(connection);
  }

  /** Closes everything; the file can be opened again at once, by this process or another. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dropWriter();
    for (const connection of this.#readers) native.disconnect_sync(connection);
    this.#readers.clear();
    native.close_sync(this.#database);
    this.#lock.close();
  }

  async #connectReader(): Promise<Connection> {
    const connection = await connect(this.#database);
    this.#readers.add(connection);
    return connection;
  }

  #dropWriter(): void {
    if (this.#writer === null) return;
    native.disconnect_sync(this.#writer.connection);
    this.#writer = null;
  }
}

/** Attaches the file to the database, makes its tables if it is new, checks what it was made for. */
async function attach(database: Database, path: string, keepsRows: boolean): Promise<void> {
  const connection = await native.connect(database);
  try {
    registerChunkFunction(connection);
    await runSql(connection, `${attachSql(path, CATALOG)}; USE ${CATALOG}`);
    let format = 0;
    const tables: (string | null)[] = [];
    const tablesSql = "SELECT table_name FROM duckdb_tables()";
    await readStream(connection, tablesSql, [], (chunk) => tables.push(...chunk.strings(0)));
    if (!tables.includes("state")) {
      const recent = keepsRows ? "" : CREATE_RECENT;
      await runSql(connection, `BEGIN; ${recent} ${CREATE_TABLES}; COMMIT`);
      return;
    }
    await readStream(connection, "SELECT format FROM state", [], (c) => [format] = c.int32(0));
    if (format !== FORMAT_VERSION) throw formatError(path, format);
    if (tables.includes("recent") === keepsRows) throw rowsError(path, keepsRows);
  } finally {
    native.disconnect_sync(connection);
  }
}

/** A connection on which the file's tables need no qualification. */
async function connect(database: Database): Promise<Connection> {
  const connection = await native.connect(database);
  try {
    await runSql(connection, `USE ${CATALOG}`);
    return connection;
  } catch (error) {
    // Left open, it would keep the whole database open, beside the one that comes after it.
    native.disconnect_sync(connection);
    throw error;
  }
}

/**
 * Takes the lock beside the file, or throws when another handle has it. A lock that was just let go
 * can outlast that for a moment: a program that this process starts, on another thread, has copies of
 * all its handles until it runs (flock belongs to what they have in common).
 */
async function lockFile(path: string): Promise<Deno.FsFile> {
  let lock: Deno.FsFile;
  try {
    lock = Deno.openSync(`${path}.lock`, { create: true, write: true });
  } catch (error) {
    throw toStoreError(error, "open", path);
  }
  const giveUpAt = performance.now() + STORE_LOCK_MS_MAX;
  while (!lock.tryLockSync(true)) {
    if (performance.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
      continue;
    }
    lock.close();
    throw new StoreError(
      "RTA_STORE_LOCKED",
      `store ${path} is in use: another process, or another worker of this one, has it open; ` +
        "stop that one, or use another data folder",
    );
  }
  return lock;
}

/**
 * What a killed process can leave behind: temporary pages, and, when it was making the file, an
 * empty one, which DuckDB would refuse.
 */
function removeLeftovers(path: string): void {
  if (sizeOf(`${path}.tmp`) >= 0) Deno.removeSync(`${path}.tmp`, { recursive: true });
  if (sizeOf(path) === 0 && sizeOf(`${path}.wal`) < 0) Deno.removeSync(path);
}

/** Bytes of a file; -1 when there is none. */
export function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -1;
    throw error;
  }
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

function rowsError(path: string, keepsRows: boolean): StoreError {
  const [made, asked] = keepsRows ? ["off", "on"] : ["on", "off"];
  return new StoreError(
    "RTA_STORE_FORMAT",
    `store ${path} was made with RTA_ROWS=${made}, and RTA_ROWS is ${asked} now: set it back, or ` +
      "use another data folder",
  );
}
