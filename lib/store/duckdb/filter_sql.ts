/**
 * Filters (lib/query/filter) in DuckDB's SQL, with the meaning that filter.ts writes down.
 *
 * An expression is never null. Types are compared here, with the names of the project's series, and
 * become a list of series ids, which skips row groups. Texts of a client are bound, never written
 * into the SQL; how a property is read is told by property_sql.ts.
 */

import {
  type Comparand,
  type Condition,
  type FieldName,
  type Filter,
  NUMBER_TEXT,
  numberWrittenAs,
  type Subject,
} from "../../query/filter/filter.ts";
import { matchesValue } from "../../query/filter/match_filter.ts";
import { type Connection, native, type Value } from "./native.ts";
import { OF_JSON, type PlainTexts, type PropertySql } from "./property_sql.ts";
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

/** A boolean expression over the columns of `events`; "true" for null. */
export function filterSql(
  filter: Filter | null,
  types: TypeNames,
  properties: PropertySql = OF_JSON,
): BoundSql {
  const values: Value[] = [];
  const sql = filter === null ? "true" : expression(filter, types, properties, values);
  return { sql, values };
}

/**
 * The number view of a field, or of a property whose JSON text is in the column `json`; null where it
 * has none.
 */
export function subjectNumber(subject: Subject, json: string): string {
  if (subject.kind === "field") {
    if (subject.name === "amount") return "amount";
    const isTime = subject.name === "timestamp" || subject.name === "received_at";
    if (isTime) return `epoch_ms(${subject.name})::DOUBLE`;
    return `${viewsOf(subject, OF_JSON).number}::DOUBLE`;
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
  /** What to compare with which texts, that no number has as its text, in place of the text. */
  readonly plain: (texts: readonly string[]) => PlainTexts;
}

const toDouble = (number: number) => native.create_double(number);

function expression(
  filter: Filter,
  types: TypeNames,
  properties: PropertySql,
  values: Value[],
): string {
  if ("filters" in filter) {
    if (filter.filters.length === 0) return filter.kind === "and" ? "true" : "false";
    const parts = filter.filters.map((each) => expression(each, types, properties, values));
    return `(${parts.join(filter.kind === "and" ? " AND " : " OR ")})`;
  }
  const { subject } = filter;
  if (subject.kind === "field" && subject.name === "type") return ofType(filter, types);
  return comparison(filter, viewsOf(subject, properties), values);
}

function ofType(condition: Condition, types: TypeNames): string {
  const ids = [...types].filter(([, type]) => matchesValue(condition, type)).map(([id]) => id);
  return ids.length === 0 ? "false" : `(series_id IN (${ids.map(Number).join()}))`;
}

function viewsOf(subject: Subject, properties: PropertySql): Views {
  if (subject.kind === "property") return propertyViews(subject.key, properties);
  switch (subject.name) {
    case "amount":
    case "category":
      return numberViews(subject.name, toDouble);
    case "timestamp":
    case "received_at":
      return numberViews(subject.name, timeValue);
    default:
      return textViews(fieldText(subject.name));
  }
}

function propertyViews(key: string, properties: PropertySql): Views {
  const text = properties.text(key);
  const isNumber = properties.isNumber(key);
  return {
    text,
    isText: properties.isText(key),
    isNumber,
    number: numberOf(text, isNumber),
    isThere: properties.isThere(key),
    toValue: toDouble,
    plain: (texts) => properties.plain(key, texts),
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
    plain: (texts) => ({ sql: column, texts }),
  };
}

function numberViews(column: string, toValue: (number: number) => Value): Views {
  const isThere = `(${column} IS NOT NULL)`;
  const text = "NULL::VARCHAR";
  return {
    text,
    isText: "false",
    isNumber: isThere,
    number: column,
    isThere,
    toValue,
    plain: (texts) => ({ sql: text, texts }),
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
  const { sql, texts: sought } = views.plain(plain);
  add("true", sql, sought.map(textValue));
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

/** The text of a field, null where it is missing. */
export function fieldText(name: FieldName): string {
  return name in TEXT_COLUMNS
    ? TEXT_COLUMNS[name as keyof typeof TEXT_COLUMNS]
    : `${name}::VARCHAR`;
}
