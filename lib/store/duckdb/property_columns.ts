/**
 * Columns of the properties that questions ask for, in a file beside the rows (side_file.ts): to
 * group or filter by one then reads a few bits a row, where to unpack and parse the JSON of all
 * properties takes twenty times as long.
 *
 * Each property has a table of its own with a row for each event, in the order of the log, so that
 * both can be walked side by side (event_source.ts). A property is followed as long as it is asked
 * for; one with long or ever new texts is not, from the run on where it has them. All have their
 * runs in common, whose times tell which of them a question can skip.
 */

import {
  PROPERTY_COLUMNS_KEPT,
  PROPERTY_COLUMNS_MAX,
  PROPERTY_ROW_BYTES_MAX,
  PROPERTY_TEXT_BYTES_MAX,
  SIDE_IDLE_MS,
} from "../../config/store_limits.ts";
import { isOutOfMemory } from "./duckdb_error.ts";
import {
  type ColumnKeeper,
  eventsWithProperties,
  type KeptColumns,
  type SourceNeeds,
} from "./event_source.ts";
import type { Connection } from "./native.ts";
import { pointer } from "./property_sql.ts";
import { integer, readStream, runSql } from "./read_stream.ts";
import { CREATE_PROPERTY_COLUMNS, PROPERTIES_CATALOG } from "./schema.ts";
import { inTransaction, isOfRows, SideFile, type SideFileOptions } from "./side_file.ts";

/** Properties that one pass over a run takes out: its JSON is read once for all of them. */
const PASS_KEYS_MAX = 4;

/** Keys that can be written into SQL and messages. */
const PLAIN_KEY = /^\P{Cc}+$/u;

interface Column {
  readonly id: number;
  readonly key: string;
  /** All rows before this are in it. */
  endSeq: number;
  /** When it was asked for last, and what the file says of that, ms since the epoch. */
  askedAtMs: number;
  savedAtMs: number;
  /** Whether it has a table. */
  isMade: boolean;
  /** No more runs of it are made. */
  isEnded: boolean;
}

export class PropertyColumns extends SideFile implements ColumnKeeper {
  readonly #columns = new Map<string, Column>();
  /** Of each run the first and last time of an event, ms since the epoch. */
  #firstMs: number[] = [];
  #lastMs: number[] = [];
  #nextId = 0;
  #passKeys = PASS_KEYS_MAX;

  /** @param path of the partition's file */
  constructor(path: string, options: SideFileOptions) {
    const what = "columns of properties";
    super(path, options, { ending: "properties", catalog: PROPERTIES_CATALOG, what });
  }

  /** These are needed: fill() makes what is lacking of them, while there is room for their kind. */
  ask(keys: ReadonlySet<string>): void {
    for (const key of keys) {
      const column = this.#columns.get(key);
      if (column !== undefined) column.askedAtMs = Date.now();
      else if (this.#columns.size < PROPERTY_COLUMNS_MAX && PLAIN_KEY.test(key)) {
        const askedAtMs = Date.now();
        const none = { endSeq: 0, savedAtMs: askedAtMs, isMade: false, isEnded: false };
        this.#columns.set(key, { id: this.#nextId++, key, askedAtMs, ...none });
      }
    }
  }

  kept({ keys, fromMs, toMs }: SourceNeeds): KeptColumns | null {
    const tables = new Map<string, string>();
    let endSeq = Infinity;
    for (const key of keys) {
      const column = this.#columns.get(key);
      if (column === undefined || column.endSeq === 0) return null;
      tables.set(key, tableOf(column));
      endSeq = Math.min(endSeq, column.endSeq);
    }
    let first = 0, end = endSeq / this.runRows;
    while (first < end && !this.#isOfTime(first, fromMs, toMs)) first++;
    while (end > first && !this.#isOfTime(end - 1, fromMs, toMs)) end--;
    return { tables, fromSeq: first * this.runRows, toSeq: end * this.runRows, endSeq };
  }

  protected async load(connection: Connection): Promise<void> {
    await runSql(connection, CREATE_PROPERTY_COLUMNS);
    await this.#loadRuns(connection);
    const sql = `SELECT id, key, end_seq, asked_at FROM ${PROPERTIES_CATALOG}.properties
      ORDER BY asked_at DESC, id DESC`;
    await readStream(connection, sql, [], (chunk) => {
      const [ids, endSeqs, askedAt] = [chunk.int32(0), chunk.int64(2), chunk.int64(3)];
      chunk.strings(1).forEach((key, i) => {
        const times = { askedAtMs: askedAt[i], savedAtMs: askedAt[i] };
        const column = { id: ids[i], key: key!, endSeq: endSeqs[i], ...times };
        this.#columns.set(column.key, { ...column, isMade: true, isEnded: false });
        this.#nextId = Math.max(this.#nextId, column.id + 1);
      });
    });
    // Nothing reads them yet.
    for (const column of [...this.#columns.values()].slice(PROPERTY_COLUMNS_KEPT)) {
      await inTransaction(connection, async () => {
        await runSql(connection, `DROP TABLE ${tableOf(column)}`);
        const sql = `DELETE FROM ${PROPERTIES_CATALOG}.properties WHERE id = ${column.id}`;
        await runSql(connection, sql);
      });
      this.#columns.delete(column.key);
    }
  }

  protected forget(): void {
    this.#columns.clear();
    this.#firstMs = [];
    this.#lastMs = [];
    this.#nextId = 0;
  }

  protected hasNext(toSeq: number): boolean {
    return this.#nextPass(toSeq).length > 0 || this.#unsaved().length > 0;
  }

  protected async addNext(connection: Connection, toSeq: number): Promise<void> {
    await this.#saveAsked(connection);
    const pass = this.#nextPass(toSeq);
    if (pass.length === 0) return;
    try {
      await this.#addRun(connection, pass);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      if (pass.length === 1) pass[0].isEnded = true;
      this.#passKeys = 1;
    }
  }

  #isOfTime(run: number, fromMs: number, toMs: number): boolean {
    return this.#firstMs[run] < toMs && this.#lastMs[run] >= fromMs;
  }

  async #loadRuns(connection: Connection): Promise<void> {
    let endSeq = 0;
    const sql =
      `SELECT end_seq, first_at, last_at FROM ${PROPERTIES_CATALOG}.runs ORDER BY end_seq`;
    await readStream(connection, sql, [], (chunk) => {
      endSeq = chunk.int64(0).at(-1)!;
      this.#firstMs.push(...chunk.int64(1));
      this.#lastMs.push(...chunk.int64(2));
    });
    const isWhole = this.#firstMs.length * this.runRows === endSeq;
    if (!isWhole || (endSeq > 0 && !await isOfRows(connection, PROPERTIES_CATALOG, endSeq))) {
      throw new Error("columns of other rows");
    }
  }

  /** Columns that lack the same run, those that have least first; idle ones stay as they are. */
  #nextPass(toSeq: number): Column[] {
    const sinceMs = Date.now() - SIDE_IDLE_MS;
    const lacking = [...this.#columns.values()].filter((column) =>
      column.askedAtMs >= sinceMs && !column.isEnded && column.endSeq + this.runRows <= toSeq
    );
    const fromSeq = Math.min(...lacking.map(({ endSeq }) => endSeq));
    return lacking.filter(({ endSeq }) => endSeq === fromSeq).slice(0, this.#passKeys);
  }

  #unsaved(): Column[] {
    return [...this.#columns.values()].filter(({ isMade, askedAtMs, savedAtMs }) =>
      isMade && askedAtMs - savedAtMs > SIDE_IDLE_MS
    );
  }

  async #saveAsked(connection: Connection): Promise<void> {
    for (const column of this.#unsaved()) {
      const { id, askedAtMs } = column;
      await runSql(connection, updateSql(id, `asked_at = ${timeSql(askedAtMs)}`));
      column.savedAtMs = askedAtMs;
    }
  }

  /** One run of these columns, or nothing of it. */
  async #addRun(connection: Connection, pass: readonly Column[]): Promise<void> {
    const [fromSeq, toSeq] = [pass[0].endSeq, pass[0].endSeq + this.runRows];
    try {
      await extractTexts(connection, pass, fromSeq, toSeq);
      const fits = await whichFit(connection, pass.length, this.runRows);
      const fitting = pass.filter((_, i) => fits[i]);
      await inTransaction(connection, async () => {
        if (fromSeq === this.#firstMs.length * this.runRows) {
          await addRunTimes(connection, fromSeq, toSeq);
        }
        for (const column of fitting) await appendTexts(connection, column, pass, toSeq);
      });
      if (fromSeq === this.#firstMs.length * this.runRows) await this.#readTimes(connection, toSeq);
      for (const column of fitting) Object.assign(column, { endSeq: toSeq, isMade: true });
      for (const column of pass) column.isEnded ||= !fitting.includes(column);
    } finally {
      await runSql(connection, "DROP TABLE IF EXISTS temp.run_texts").catch(() => {});
    }
  }

  async #readTimes(connection: Connection, endSeq: number): Promise<void> {
    const sql = `SELECT first_at, last_at FROM ${PROPERTIES_CATALOG}.runs
      WHERE end_seq = ${integer(endSeq)}`;
    await readStream(connection, sql, [], (chunk) => {
      this.#firstMs.push(chunk.int64(0)[0]);
      this.#lastMs.push(chunk.int64(1)[0]);
    });
  }
}

function tableOf({ id }: Column): string {
  return `${PROPERTIES_CATALOG}.property_${id}`;
}

/** Has the texts of a run in a table of the connection's own, in the order of the log. */
async function extractTexts(
  connection: Connection,
  pass: readonly Column[],
  fromSeq: number,
  toSeq: number,
): Promise<void> {
  const keys = pass.map(({ key }) => pointer(key)).join();
  const table = await eventsWithProperties(connection);
  await runSql(
    connection,
    `CREATE OR REPLACE TEMP TABLE run_texts AS
      SELECT seq, json_extract(properties, [${keys}])::VARCHAR[] AS texts FROM ${table}
      WHERE seq >= ${integer(fromSeq)} AND seq < ${integer(toSeq)} ORDER BY seq`,
  );
}

/** Of the texts of a run, which are short enough to be a column. */
async function whichFit(
  connection: Connection,
  count: number,
  runRows: number,
): Promise<boolean[]> {
  const fits: boolean[] = [];
  const columns = Array.from({ length: count }, (_, i) => `strlen(texts[${i + 1}])`);
  const selected = columns.map((bytes) =>
    `coalesce(max(${bytes}) <= ${PROPERTY_TEXT_BYTES_MAX}
      AND sum(${bytes}) <= ${PROPERTY_ROW_BYTES_MAX * runRows}, true)::UTINYINT`
  );
  await readStream(connection, `SELECT ${selected.join()} FROM temp.run_texts`, [], (chunk) => {
    for (let i = 0; i < count; i++) fits.push(chunk.uint8(i)[0] === 1);
  });
  return fits;
}

async function addRunTimes(
  connection: Connection,
  fromSeq: number,
  toSeq: number,
): Promise<void> {
  await runSql(
    connection,
    `INSERT INTO ${PROPERTIES_CATALOG}.runs
      SELECT ${integer(toSeq)}, arg_max(id_hash, seq), min(timestamp), max(timestamp) FROM events
      WHERE seq >= ${integer(fromSeq)} AND seq < ${integer(toSeq)}`,
  );
}

async function appendTexts(
  connection: Connection,
  column: Column,
  pass: readonly Column[],
  toSeq: number,
): Promise<void> {
  const { id, key, askedAtMs, isMade } = column;
  const table = tableOf(column);
  if (!isMade) {
    const text = `'${key.replaceAll("'", "''")}'`;
    const values = `${id}, ${text}, 0, ${timeSql(askedAtMs)}`;
    await runSql(
      connection,
      `CREATE TABLE ${table}(seq BIGINT, json VARCHAR);
       INSERT INTO ${PROPERTIES_CATALOG}.properties VALUES (${values})`,
    );
  }
  const place = pass.indexOf(column) + 1;
  await runSql(
    connection,
    `INSERT INTO ${table} SELECT seq, texts[${place}] FROM temp.run_texts;
     ${updateSql(id, `end_seq = ${integer(toSeq)}`)}`,
  );
}

function updateSql(id: number, set: string): string {
  return `UPDATE ${PROPERTIES_CATALOG}.properties SET ${set} WHERE id = ${id}`;
}

function timeSql(ms: number): string {
  return `make_timestamp_ms(${integer(Math.trunc(ms))})::TIMESTAMP_MS`;
}
