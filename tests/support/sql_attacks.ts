/**
 * Statements that must not get through, for the tests of SQL: at the engine itself, without the check
 * that comes before it, and over HTTP.
 */

/** What an attack may be answered with: codes of SqlError. */
export interface SqlAttack {
  readonly sql: string;
  /** Pieces of text that no answer and no message may have. */
  readonly secret?: string;
}

/** Statements that try to read, write, load or set something. `file`: one outside, with a secret. */
export function closedStatements(file: string, secret: string): SqlAttack[] {
  const folder = file.slice(0, file.lastIndexOf("/"));
  const statements = [
    ...onFiles(file, folder),
    ...onNetworkAndSettings(file, folder),
    ...onOtherStatements(folder),
  ];
  return statements.map((sql) => ({ sql, secret }));
}

function onFiles(file: string, folder: string): string[] {
  return [
    `SELECT * FROM read_text('${file}')`,
    `SELECT * FROM read_blob('${file}')`,
    `SELECT * FROM read_csv('${file}')`,
    `SELECT * FROM read_csv_auto('${file}', header = false)`,
    `SELECT * FROM read_json('${file}')`,
    `SELECT * FROM read_ndjson_objects('${file}')`,
    `SELECT * FROM read_parquet('${file}')`,
    `SELECT * FROM sniff_csv('${file}')`,
    `SELECT * FROM parquet_metadata('${file}')`,
    `SELECT * FROM glob('${folder}/*')`,
    `SELECT * FROM '${file}'`,
    `FROM '${file}'`,
    `SELECT * FROM "${file}"`,
    `WITH a AS (SELECT * FROM read_text('${file}')) SELECT * FROM a`,
    `SELECT (SELECT content FROM read_text('${file}'))`,
    `SELECT * FROM events WHERE id IN (SELECT content FROM read_text('${file}'))`,
    `SELECT * FROM events UNION ALL SELECT content FROM read_text('${file}')`,
    `SELECT /* */ * -- x\nFROM read_text('${file}')`,
    `WITH "read_text" AS (SELECT 1) SELECT * FROM read_text('${file}')`,
    `SELECT * FROM query('SELECT * FROM read_text(''${file}'')')`,
    `SELECT * FROM query_table('${file}')`,
    `SELECT * FROM json_execute_serialized_sql(json_serialize_sql(
       'SELECT * FROM read_text(''${file}'')'))`,
    `COPY (SELECT 1) TO '${folder}/stolen.csv'`,
    `COPY events FROM '${file}'`,
    `EXPORT DATABASE '${folder}/stolen'`,
    `IMPORT DATABASE '${folder}'`,
    `ATTACH '${folder}/stolen.duckdb' AS stolen`,
    `DETACH memory`,
  ];
}

/** Network, extensions, settings, and what the engine tells of itself. */
function onNetworkAndSettings(file: string, folder: string): string[] {
  return [
    `SELECT * FROM read_text('http://127.0.0.1:1/x')`,
    `SELECT * FROM 'https://127.0.0.1:1/x.parquet'`,
    `INSTALL httpfs`,
    `LOAD httpfs`,
    `LOAD '${file}'`,
    `FORCE INSTALL spatial FROM community`,
    `SET enable_external_access = true`,
    `SET allowed_directories = ['/']`,
    `RESET allowed_directories`,
    `SET memory_limit = '100GB'`,
    `SET threads = 64`,
    `SET GLOBAL temp_directory = '${folder}'`,
    `SET VARIABLE a = 1`,
    `PRAGMA database_list`,
    `PRAGMA enable_profiling`,
    `PRAGMA disable_verification`,
    `CALL pragma_version()`,
    `CALL enable_logging()`,
    `SELECT * FROM duckdb_settings()`,
    `SELECT * FROM duckdb_secrets()`,
    `SELECT * FROM duckdb_views()`,
    `SELECT * FROM duckdb_temporary_files()`,
    `SELECT * FROM pragma_table_info('events')`,
    `SELECT * FROM information_schema.tables`,
    `SELECT * FROM pg_catalog.pg_class`,
    `SELECT * FROM sqlite_master`,
    `SELECT current_setting('temp_directory')`,
    `SELECT Current_Setting('allowed_directories') FROM events`,
    `SELECT getenv('HOME')`,
    `SELECT getvariable('a')`,
    `SELECT write_log('x')`,
    `CREATE SECRET s (TYPE s3)`,
  ];
}

/** Anything that is not one SELECT. */
function onOtherStatements(folder: string): string[] {
  return [
    `SELECT 1; SELECT 2`,
    `SELECT 1; DROP VIEW events`,
    `SELECT 1 /* */; COPY (SELECT 1) TO '${folder}/stolen.csv' --`,
    `INSERT INTO events SELECT * FROM events`,
    `UPDATE events SET id = ''`,
    `DELETE FROM events`,
    `DROP VIEW events`,
    `CREATE TABLE t AS SELECT 1`,
    `CREATE OR REPLACE VIEW events AS SELECT 1`,
    `CREATE MACRO m(a) AS a`,
    `ALTER TABLE events ADD COLUMN a INTEGER`,
    `BEGIN TRANSACTION`,
    `CHECKPOINT`,
    `VACUUM`,
    `PREPARE p AS SELECT 1`,
    `EXECUTE p`,
    `EXPLAIN ANALYZE SELECT * FROM events`,
    `DESCRIBE events`,
    `SHOW TABLES`,
    `SUMMARIZE events`,
    `SELECT * FROM (SHOW TABLES)`,
    `SELECT * FROM events AT (VERSION => 1)`,
    `SELECT ?`,
    `SELECT $1`,
    `WITH a AS (DELETE FROM events RETURNING *) SELECT * FROM a`,
    ``,
    `;`,
    `-- nothing`,
    `SELECT`,
    `)`,
    `SELECT '`,
    "SELECT 1\0",
  ];
}

/** SELECTs that would take all memory there is; most of them past the engine's own limit. */
export const MEMORY_HOGS: readonly string[] = [
  "SELECT length(repeat('x', 2000000000))",
  "SELECT sum(length(repeat('x' || i, 1000000))) FROM range(4000) t(i)",
  "SELECT length(replace(repeat('a', 100000), 'a', repeat('b', 100000)))",
  "SELECT len(range(1000000000))",
  "SELECT len(list_transform(range(100000000), x -> repeat('y', 100)))",
  "SELECT len(list(i)) FROM range(1000000000) t(i)",
  "SELECT length(string_agg(repeat('x', 1000), '')) FROM range(100000000)",
  "WITH RECURSIVE r(s, n) AS (SELECT 'xxxxxxxxxx', 1 UNION ALL SELECT s || s, n + 1 FROM r " +
  "WHERE n < 40) SELECT max(length(s)) FROM r",
];

/** SELECTs that would run for ever, or for as long as there is disk. */
export const ENDLESS: readonly string[] = [
  "SELECT count(*) FROM range(100000000000) a, range(100000000) b",
  "SELECT count(*) FROM events a, events b, events c, events d, events e, events f, events g",
  "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n % 7 + 1 FROM r) SELECT max(n) FROM r",
  "SELECT sum(i) FROM generate_series(1, 1000000000000) t(i)",
  "SELECT max(sha256(i::VARCHAR)) FROM range(100000000000) t(i)",
  "SELECT length(lpad('x', 2000000000, 'y'))",
  "SELECT count(*) FROM (SELECT DISTINCT i, repeat('x', 500) || i AS s FROM range(100000000) t(i))",
];

/** Statements that are very deep: answered or refused, but nothing breaks. */
export const DEEP: readonly string[] = [
  `${"(".repeat(4_000)}SELECT 1${")".repeat(4_000)}`,
  `SELECT ${"1+".repeat(7_000)}1`,
  `SELECT ${"abs(".repeat(3_000)}1${")".repeat(3_000)}`,
  `SELECT ${"[".repeat(7_000)}1${"]".repeat(7_000)}`,
  `SELECT * FROM ${"(SELECT * FROM ".repeat(900)}events${")".repeat(900)}`,
];
