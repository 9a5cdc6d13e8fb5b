/**
 * Filters (lib/query/filter) in DuckDB's SQL, with the meaning that filter.ts writes down.
 *
 * An expression is never null. Types are compared here, with the names of the project's series, and
 * become a list of series ids, which skips row groups. Texts of a client are bound, never written
 * into the SQL; keys of properties are written as JSON pointers (RFC 6901), since DuckDB extracts by
 * a constant path in a fraction of the time.
 */

import {
  type Comparand,
  type Condition,
  type Filter,
  NUMBER_TEXT,
  numberWrittenAs,
  propertyKeys,
  type Subject,
} from "../../query/filter/filter.ts";
import { matchesValue } from "../../query/filter/match_filter.ts";
import { type Connection, native, type Value } from "./native.ts";
import { readStream, textValue, timestampValue } from "./read_stream.ts";

/** SQL with `?`s and what is bound to them, in their order. */
export interface BoundSql {
  readonly sql: string;
  readonly values: readonly Value[];
}

/** Event types of a project by series id. */
export type TypeNames = ReadonlyMap<number, string>;

/** Latest time a TIMESTAMP_MS is compared with: 9999-12-31. */
const TIME_MAX_MS = 253_402_300_799_999;

/** Texts of JSON numbers, as NUMBER_TEXT of filter.ts. */
const NUMBER_PATTERN = "-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?";

/** JSON types whose values have no number of their own. */
const NOT_NUMBERS = "('VARCHAR', 'BOOLEAN', 'NULL', 'OBJECT', 'ARRAY')";

/** Columns that hold a subject's value as text. */
const TEXT_COLUMNS = {
  id: "id",
  user_id: "user_id",
  session_id: "coalesce(session_id, lpad(lower(to_hex(session_hash)), 16, '0'))",
  source: "source",
} as const;

/** A time as a value to bind: whole ms within what a TIMESTAMP_MS holds. */
export function timeValue(ms: number): Value {
  return timestampValue(Math.min(TIME_MAX_MS, Math.max(0, ms)));
}

/**
 * The table to read events from when properties are read: `events`, with the long ones whole if
 * there are any.
 */
export async function eventsWithProperties(connection: Connection): Promise<string> {
  let hasLong = false;
  const sql = "SELECT 1::UTINYINT FROM long_properties LIMIT 1";
  await readStream(connection, sql, [], () => hasLong = true);
  if (!hasLong) return "events";
  return `(SELECT events.* REPLACE (CASE WHEN events.properties = '' THEN long.text
      ELSE events.properties END AS properties)
    FROM events LEFT JOIN (SELECT seq, string_agg(text, '' ORDER BY part) AS text
      FROM long_properties GROUP BY seq) long USING (seq))`;
}

/** Whether properties have to be read for a filter. */
export function needsProperties(filter: Filter | null): boolean {
  return propertyKeys(filter).size > 0;
}

/** A boolean expression over the columns of `events`; "true" for null. */
export function filterSql(filter: Filter | null, types: TypeNames): BoundSql {
  const values: Value[] = [];
  const sql = filter === null ? "true" : expression(filter, types, values);
  return { sql, values };
}

/** The value of a property as text: of strings themselves, of others their JSON text. */
export function propertyText(key: string): string {
  return `json_extract_string(properties, ${pointer(key)})`;
}

/** The JSON text of a property's value, null when it is missing; a JSON null stays. */
export function propertyJson(key: string): string {
  return `json_extract(properties, ${pointer(key)})`;
}

/**
 * The number view of a field, or of a property whose JSON text is in the column `json`; null where it
 * has none.
 */
export function subjectNumber(subject: Subject, json: string): string {
  if (subject.kind === "field") {
    if (subject.name === "amount") return "amount";
    const isTime = subject.name === "timestamp" || subject.name === "received_at";
    return isTime ? `epoch_ms(${subject.name})::DOUBLE` : `${viewsOf(subject).number}::DOUBLE`;
  }
  // What is no text is a number, true, false or null, of which only the number can be cast.
  const ofText = `CASE WHEN regexp_full_match(${json}, '"${NUMBER_PATTERN}"')
    THEN TRY_CAST(substr(${json}, 2, length(${json}) - 2) AS DOUBLE) END`;
  return `nullif(nullif(coalesce(TRY_CAST(${json} AS DOUBLE), ${ofText}), 'inf'::DOUBLE),
    '-inf'::DOUBLE)`;
}

/** What a condition can ask of a subject, each a SQL expression. */
interface Views {
  /** Null where the subject is missing. */
  readonly text: string;
  /** Whether the value is a text, and whether it is a number, in the event itself. */
  readonly isText: string;
  readonly isNumber: string;
  /** The number view; null where it has none. */
  readonly number: string;
  readonly isThere: string;
  /** A number to compare the number view with. */
  readonly toValue: (number: number) => Value;
}

const toDouble = (number: number) => native.create_double(number);

function expression(filter: Filter, types: TypeNames, values: Value[]): string {
  if ("filters" in filter) {
    if (filter.filters.length === 0) return filter.kind === "and" ? "true" : "false";
    const parts = filter.filters.map((each) => expression(each, types, values));
    return `(${parts.join(filter.kind === "and" ? " AND " : " OR ")})`;
  }
  const { subject } = filter;
  if (subject.kind === "field" && subject.name === "type") return ofType(filter, types);
  return comparison(filter, viewsOf(subject), values);
}

function ofType(condition: Condition, types: TypeNames): string {
  const ids = [...types].filter(([, type]) => matchesValue(condition, type)).map(([id]) => id);
  return ids.length === 0 ? "false" : `(series_id IN (${ids.map(Number).join()}))`;
}

function viewsOf(subject: Subject): Views {
  if (subject.kind === "property") return propertyViews(subject.key);
  switch (subject.name) {
    case "amount":
    case "category":
      return numberViews(subject.name, toDouble);
    case "timestamp":
    case "received_at":
      return numberViews(subject.name, timeValue);
    default:
      return textViews(subjectText(subject));
  }
}

function propertyViews(key: string): Views {
  const text = propertyText(key);
  const type = `json_type(properties, ${pointer(key)})`;
  const isNumber = `(${type} NOT IN ${NOT_NUMBERS})`;
  return {
    text,
    isText: `(${type} = 'VARCHAR')`,
    isNumber,
    number: numberOf(text, isNumber),
    isThere: `(${text} IS NOT NULL)`,
    toValue: toDouble,
  };
}

function textViews(column: string): Views {
  return {
    text: column,
    isText: "true",
    isNumber: "false",
    number: numberOf(column, "false"),
    isThere: `(${column} IS NOT NULL)`,
    toValue: toDouble,
  };
}

function numberViews(column: string, toValue: (number: number) => Value): Views {
  const isThere = `(${column} IS NOT NULL)`;
  return {
    text: "NULL::VARCHAR",
    isText: "false",
    isNumber: isThere,
    number: column,
    isThere,
    toValue,
  };
}

function comparison(condition: Condition, views: Views, values: Value[]): string {
  switch (condition.kind) {
    case "in": {
      const any = anyOf(condition.values, views, values);
      return condition.negated ? `(NOT ${any})` : any;
    }
    case "exists":
      return condition.negated ? `(NOT ${views.isThere})` : views.isThere;
    case "contains":
    case "starts_with": {
      const text = bound(textValue(condition.text), values);
      return `coalesce(${views.isText} AND ${condition.kind}(${views.text}, ${text}), false)`;
    }
    default: {
      const number = bound(views.toValue(condition.number), values);
      return `coalesce(${views.number} ${SIGNS[condition.kind]} ${number}, false)`;
    }
  }
}

/** Texts that a number never has are compared as they are; the others must not be taken for one. */
function anyOf(comparands: readonly Comparand[], views: Views, values: Value[]): string {
  const numbers = comparands.filter((each) => typeof each === "number");
  const texts = comparands.filter((each) => typeof each === "string");
  const numberLike = texts.filter((each) => NUMBER_TEXT.test(each));
  const plain = texts.filter((each) => !NUMBER_TEXT.test(each));
  const written = numberLike.map(numberWrittenAs).filter((each) => each !== null);
  const parts: string[] = [];
  const add = (guard: string, view: string, list: readonly Value[]) => {
    if (list.length === 0 || guard === "false") return;
    const places = list.map((value) => bound(value, values)).join();
    parts.push(`coalesce(${guard} AND ${view} IN (${places}), false)`);
  };
  add("true", views.text, plain.map(textValue));
  add(`NOT ${views.isNumber}`, views.text, numberLike.map(textValue));
  add(views.isNumber, views.number, written.map(views.toValue));
  add("true", views.number, numbers.map(views.toValue));
  return parts.length === 0 ? "false" : `(${parts.join(" OR ")})`;
}

const SIGNS = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/** The number that a text expression stands for; null where it stands for none. */
function numberOf(text: string, isNumber: string): string {
  return `(CASE WHEN ${isNumber} OR regexp_full_match(${text}, '${NUMBER_PATTERN}')
    THEN nullif(nullif(TRY_CAST(${text} AS DOUBLE), 'inf'::DOUBLE), '-inf'::DOUBLE) END)`;
}

/** A JSON pointer to a key of the properties, as a SQL text. */
export function pointer(key: string): string {
  const escaped = key.replaceAll("~", "~0").replaceAll("/", "~1");
  return `'/${escaped.replaceAll("'", "''")}'`;
}

function bound(value: Value, values: Value[]): string {
  values.push(value);
  return "?";
}

/** Event types of a project, by series. */
export async function readTypeNames(
  connection: Connection,
  project: string,
): Promise<Map<number, string>> {
  const types = new Map<number, string>();
  const sql = "SELECT id, type FROM series WHERE project = ? AND type IS NOT NULL";
  await readStream(connection, sql, [textValue(project)], (chunk) => {
    const ids = chunk.int32(0);
    chunk.strings(1).forEach((type, i) => types.set(ids[i], type!));
  });
  return types;
}

/**
 * Rows of the types of one project; the ids are the store's own. Where they follow one another, as in
 * a store of one project, bounds take their place: DuckDB makes a join of a list, which costs more
 * than reading the column.
 */
export function ofSeries(types: TypeNames): string {
  if (types.size === 0) return "false";
  const ids = [...types.keys()].map(Number);
  const isWhole = Math.max(...ids) - Math.min(...ids) === ids.length - 1;
  return isWhole ? aroundSeries(types) : `series_id IN (${ids.join()})`;
}

/** Rows of these types, of which there is one at least, and of those with ids in between. */
export function aroundSeries(types: TypeNames): string {
  const ids = [...types.keys()].map(Number);
  return `series_id BETWEEN ${Math.min(...ids)} AND ${Math.max(...ids)}`;
}

/** What a subject is in SQL, for reading its value: its text, null where it is missing. */
export function subjectText(subject: Subject): string {
  if (subject.kind === "property") return propertyText(subject.key);
  return subject.name in TEXT_COLUMNS
    ? TEXT_COLUMNS[subject.name as keyof typeof TEXT_COLUMNS]
    : `${subject.name}::VARCHAR`;
}
