/**
 * Whether a statement is one that may be answered: one SELECT over `events` and nothing else.
 *
 * It is judged by DuckDB's own parse of it (`json_serialize_sql`), which knows SELECTs only. What is
 * read must be the table `events`, a name from WITH, or one of the few table functions that read
 * nothing. This is not what keeps files and settings closed (see sql_engine.ts); it is what says so
 * clearly, and keeps out of reach what the engine itself could tell.
 */
import { SqlError } from "../../sql/sql_protocol.ts";

/** Functions in FROM that make rows of their arguments alone. */
const TABLE_FUNCTIONS = new Set([
  "range",
  "generate_series",
  "unnest",
  "json_each",
  "json_tree",
  "repeat",
  "repeat_row",
]);

/** Functions that tell of the engine or write into its log. */
const CLOSED_FUNCTIONS = new Set([
  "current_setting",
  "getenv",
  "getvariable",
  "write_log",
  "nextval",
  "currval",
  "pg_sleep",
  "sleep_ms",
]);

const EVENTS = "events";

interface Parsed {
  readonly error: boolean;
  readonly error_type?: string;
  readonly error_message?: string;
  readonly position?: string;
  readonly statements?: readonly unknown[];
}

/**
 * Checks what `json_serialize_sql` gives for a statement.
 * @throws {SqlError} invalid_sql
 */
export function checkStatement(serialized: string): void {
  const parsed = JSON.parse(serialized) as Parsed;
  if (parsed.error) throw invalid(parseError(parsed));
  const { statements = [] } = parsed;
  if (statements.length !== 1) {
    throw invalid(`send one SELECT, not ${statements.length} statements`);
  }
  const names = new Set([EVENTS]);
  visit(statements[0], (node) => collectNames(node, names));
  visit(statements[0], (node) => checkNode(node, names));
}

function parseError({ error_type: type, error_message: message = "", position }: Parsed): string {
  if (type === "not implemented") {
    return "send one SELECT: statements of other kinds, PIVOT too, are not answered";
  }
  return position === undefined ? message : `${message} (at character ${Number(position) + 1})`;
}

type Node = Readonly<Record<string, unknown>>;

/** Calls `look` for every object of a parse tree. Without recursion: a tree may be deep. */
function visit(root: unknown, look: (node: Node) => void): void {
  const waiting = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== "object" || value === null) continue;
    if (!Array.isArray(value)) look(value as Node);
    for (const child of Object.values(value)) waiting.push(child);
  }
}

/** Names that WITH gives, in lower case. */
function collectNames({ cte_map: ctes }: Node, names: Set<string>): void {
  for (const { key } of (ctes as { map?: { key: string }[] } | undefined)?.map ?? []) {
    names.add(key.toLowerCase());
  }
}

function checkNode(node: Node, names: ReadonlySet<string>): void {
  switch (node.type) {
    case "BASE_TABLE":
      return checkTable(node, names);
    case "TABLE_FUNCTION": {
      const { function_name: name } = node.function as { function_name?: string };
      if (TABLE_FUNCTIONS.has(String(name).toLowerCase())) return;
      throw invalid(`FROM may not name ${name}(); the only table is ${EVENTS}`);
    }
    case "SHOW_REF":
      throw invalid("DESCRIBE, SHOW and SUMMARIZE are not answered; send a SELECT");
    case "VALUE_PARAMETER":
      throw invalid("parameters are not taken; write the values into the statement");
    case "FUNCTION":
      if (!CLOSED_FUNCTIONS.has(String(node.function_name).toLowerCase())) return;
      throw invalid(`the function ${node.function_name}() can't be used here`);
  }
}

function checkTable(node: Node, names: ReadonlySet<string>): void {
  const { catalog_name: catalog, schema_name: schema, table_name: table } = node;
  const isPlain = catalog === "" && (schema === "" || schema === "main");
  if (isPlain && names.has(String(table).toLowerCase())) {
    if (node.at_clause === null || node.at_clause === undefined) return;
    throw invalid("AT is not answered");
  }
  const shown = [catalog, schema, table].filter((part) => part !== "").join(".");
  throw invalid(`there is no table ${shown}; the only one is ${EVENTS}`);
}

function invalid(message: string): SqlError {
  return new SqlError("invalid_sql", message);
}
