/**
 * How a property of the row at hand is read in SQL: out of the JSON of all its properties, or from a
 * column of its own (property_columns.ts), which holds the JSON text of the value. Both give the same.
 * Keys are written as JSON pointers (RFC 6901), since DuckDB extracts by a constant path in a
 * fraction of the time.
 */

/** SQL expressions by the key of a property. */
export interface PropertySql {
  /** The JSON text of the value, null when it is missing; a JSON null stays. */
  json(key: string): string;
  /** The value as text: of strings themselves, of others their JSON text; null = none. */
  text(key: string): string;
  /** Whether there is a value that is a text, and one that is a number; may be null where there is none. */
  isText(key: string): string;
  isNumber(key: string): string;
  isThere(key: string): string;
  /** What to compare with which texts, none of which a number has as its text. */
  plain(key: string, texts: readonly string[]): PlainTexts;
}

export interface PlainTexts {
  readonly sql: string;
  readonly texts: readonly string[];
}

/** JSON types whose values have no number of their own. */
const NOT_NUMBERS = "('VARCHAR', 'BOOLEAN', 'NULL', 'OBJECT', 'ARRAY')";

/** Texts that JSON writers may write in several ways. */
// deno-lint-ignore no-control-regex -- these are the ones
const CONTROL = /[\u0000-\u001f]/;

/** Out of the column `properties`. */
export const OF_JSON: PropertySql = {
  json: (key) => `json_extract(properties, ${pointer(key)})::VARCHAR`,
  text: (key) => `json_extract_string(properties, ${pointer(key)})`,
  isText: (key) => `(${typeOf(key)} = 'VARCHAR')`,
  isNumber: (key) => `(${typeOf(key)} NOT IN ${NOT_NUMBERS})`,
  isThere: (key) => `(${OF_JSON.text(key)} IS NOT NULL)`,
  plain: (key, texts) => ({ sql: OF_JSON.text(key), texts }),
};

/** From columns; `columnOf` names the one of a key. */
export function ofColumns(columnOf: (key: string) => string): PropertySql {
  const isText = (key: string) => `starts_with(${columnOf(key)}, '"')`;
  const text = (key: string) => {
    const json = columnOf(key);
    // Where nothing is escaped, the text stands between the quotes.
    return `(CASE WHEN NOT ${isText(key)} THEN nullif(${json}, 'null')
      WHEN contains(${json}, '\\') THEN json_extract_string(${json}, '$')
      ELSE substr(${json}, 2, length(${json}) - 2) END)`;
  };
  return {
    json: columnOf,
    text,
    isText,
    // It begins with a digit or a minus; a quote is before them, letters and brackets are after.
    isNumber: (key) => `(${columnOf(key)} >= '-' AND ${columnOf(key)} < ':')`,
    isThere: (key) => `(coalesce(${columnOf(key)}, 'null') <> 'null')`,
    plain: (key, texts) => {
      if (texts.some((each) => CONTROL.test(each))) return { sql: text(key), texts };
      return { sql: columnOf(key), texts: texts.flatMap(jsonTextsOf) };
    },
  };
}

/** A JSON pointer to a key of the properties, as a SQL text. */
export function pointer(key: string): string {
  const escaped = key.replaceAll("~", "~0").replaceAll("/", "~1");
  return `'/${escaped.replaceAll("'", "''")}'`;
}

function typeOf(key: string): string {
  return `json_type(properties, ${pointer(key)})`;
}

/** JSON whose text view this is: a string, or true, false, a list or an object as it is written. */
function jsonTextsOf(text: string): string[] {
  const isWritten = text === "true" || text === "false" || /^[[{]/.test(text);
  return isWritten ? [JSON.stringify(text), text] : [JSON.stringify(text)];
}
