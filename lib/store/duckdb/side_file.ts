/**
 * A file of its own beside a partition's, with what is made of the rows to answer some questions
 * sooner: run by run, in the background, once anybody has asked such a question. Rows that are in no
 * run yet are looked through, so an answer never waits for it.
 *
 *     rows, by place in the log    [0 .. run) [run .. 2 run) ... | the rest
 *     file                         made       made               | -
 *
 * Nothing is lost with the file: one that cannot be read, or was made of other rows, is made anew.
 * What fails while it is written (a full disk) so never touches the rows. A run is one transaction,
 * so a crash leaves whole runs only.
 */

import { StoreError } from "../event_store.ts";
import { isOutOfMemory } from "./duckdb_error.ts";
import { attachSql } from "./duckdb_file.ts";
import type { Connection } from "./native.ts";
import { integer, readStream, runSql } from "./read_stream.ts";

/**
 * Rows of a run: four row groups. Longer runs would keep a user's parts closer together, and have
 * more rows wait to be in one.
 */
export const SIDE_RUN_ROWS = 122_880;

/** What DuckDB may leave beside a file. */
const FILE_ENDS = ["", ".wal", ".wal.checkpoint", ".wal.recovery"];

/** Runs work with the writing connection of an open file, in turn. */
export type WriteTurn = (work: (connection: Connection) => Promise<void>) => Promise<void>;

export interface SideFileOptions {
  /** Rows of a run. */
  readonly runRows: number;
  /** Told what keeps the file from being read or made; answers only get slower by it. */
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

/** What tells one such file from another. */
interface SideFileKind {
  /** Of the file's name, after that of the partition's. */
  readonly ending: string;
  /** The name that it is attached under. */
  readonly catalog: string;
  /** What it holds, for messages. */
  readonly what: string;
}

export abstract class SideFile {
  /** Where it is. */
  readonly path: string;
  readonly runRows: number;
  readonly #kind: SideFileKind;
  readonly #warn: SideFileOptions["warn"];
  #opening: Promise<void> | null = null;
  #isOpen = false;
  #isFilling = false;
  /** It is not tried again until the partition is opened again. */
  #cannotOpen = false;
  /** Nor is writing, once it has failed: what there is stays. */
  #hasFailed = false;

  /** @param path of the partition's file */
  constructor(path: string, { runRows, warn }: SideFileOptions, kind: SideFileKind) {
    this.path = `${path}.${kind.ending}`;
    this.runRows = runRows;
    this.#kind = kind;
    this.#warn = warn;
  }

  /** The partition's file was opened anew, and with it goes what was attached to it. */
  detached(): void {
    this.#opening = null;
    this.#isOpen = false;
    this.forget();
  }

  /** Opens the file, which is made where there is none; where that fails, there are no runs. */
  open(write: WriteTurn): Promise<void> {
    if (this.#cannotOpen) return Promise.resolve();
    this.#opening ??= write(async (connection) => {
      const { what, catalog } = this.#kind;
      try {
        await this.#attach(connection).catch(async (error) => {
          this.#tell(`${what} are made anew`, error);
          await runSql(connection, `DETACH DATABASE IF EXISTS ${catalog}`);
          removeFile(this.path);
          this.forget();
          await this.#attach(connection);
        });
        this.#isOpen = true;
      } catch (error) {
        this.#cannotOpen = true;
        this.#tell(`${what} can't be opened: rows are read in their place`, error);
      }
    }).catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Makes the runs that lie before `toSeq`. What does not fit into memory is tried again the next
   * time; after another failure the rest is looked through from then on.
   *
   * @returns whether it has made any; never rejects
   */
  async fill(toSeq: number, write: WriteTurn): Promise<boolean> {
    if (this.#isFilling || this.#hasFailed || !this.#isOpen) return false;
    this.#isFilling = true;
    let hasMade = false;
    try {
      while (this.#isOpen && this.hasNext(toSeq)) {
        await write(async (connection) => {
          // The files may have been opened anew while this waited for its turn.
          if (!this.#isOpen) return;
          await this.addNext(connection, toSeq);
          hasMade = true;
        });
      }
    } catch (error) {
      this.#hasFailed = !isOutOfMemory(error);
      // A partition that was closed meanwhile is no failure of theirs.
      if (this.#hasFailed && !(error instanceof StoreError)) {
        this.#tell(`${this.#kind.what} can't be made: rows are read in their place`, error);
      }
    } finally {
      this.#isFilling = false;
    }
    return hasMade;
  }

  /** Makes the tables, or reads what there is. Throws when it was made of other rows or runs. */
  protected abstract load(connection: Connection): Promise<void>;
  /** The file is no longer open. */
  protected abstract forget(): void;
  /** Whether anything is to be made of the rows before `toSeq`. */
  protected abstract hasNext(toSeq: number): boolean;
  /** Makes the next run, or nothing of it. */
  protected abstract addNext(connection: Connection, toSeq: number): Promise<void>;

  async #attach(connection: Connection): Promise<void> {
    await runSql(connection, attachSql(this.path, this.#kind.catalog));
    await this.load(connection);
  }

  #tell(message: string, error: unknown): void {
    this.#warn(message, { file: this.path, error: String(error) });
  }
}

/** One transaction; when `work` fails nothing is left of it. */
export async function inTransaction(
  connection: Connection,
  work: () => Promise<void>,
): Promise<void> {
  await runSql(connection, "BEGIN");
  try {
    await work();
    await runSql(connection, "COMMIT");
  } catch (error) {
    await runSql(connection, "ROLLBACK").catch(() => {});
    throw error;
  }
}

/** Whether the run that ends at `endSeq`, by the table of runs of this file, is one of these rows. */
export async function isOfRows(
  connection: Connection,
  catalog: string,
  endSeq: number,
): Promise<boolean> {
  let isSame = false;
  const sql = `SELECT 1::UTINYINT FROM events JOIN ${catalog}.runs USING (id_hash)
    WHERE seq = ${integer(endSeq - 1)} AND end_seq = ${integer(endSeq)}`;
  await readStream(connection, sql, [], () => isSame = true);
  return isSame;
}

function removeFile(file: string): void {
  for (const end of FILE_ENDS) {
    try {
      Deno.removeSync(`${file}${end}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
