/**
 * Values of an answer as JSON has them, and as cells of CSV.
 *
 *     BIGINT and wider       a number, or a string where a double can't hold it
 *     DECIMAL                the same
 *     DOUBLE                 a number; "NaN", "Infinity", "-Infinity"
 *     TIMESTAMP, with TZ     RFC 3339 in UTC, as fine as it is
 *     JSON                   the JSON value itself
 *     LIST, ARRAY, STRUCT    an array, an object; a MAP is an array of {key, value}
 *     everything else        as DuckDB writes it
 */
import {
  DuckDBArrayValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBUnionValue,
  type DuckDBValue,
} from "@duckdb/node-api";

/** A value that JSON.stringify writes as it is meant. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

const NANOS_PER_MS = 1_000_000n;
/** Years 0 to 9999, ms since the epoch: what RFC 3339 can write. */
const TIME_MS_LEAST = -62_167_219_200_000n;
const TIME_MS_MOST = 253_402_300_799_999n;

/** The value as JSON has it. */
export function jsonValue(value: DuckDBValue, type: DuckDBType): JsonValue {
  if (value === null) return null;
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return type.alias === "JSON" ? JSON.parse(value) : value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return exactNumber(String(value));
  }
  if (value instanceof DuckDBDecimalValue) return exactNumber(value.toString());
  const nested = nestedValue(value, type);
  return nested === undefined ? timeText(value) ?? String(value) : nested;
}

/** The value as the text of a CSV cell; "" is null. */
export function cellText(value: DuckDBValue, type: DuckDBType): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  const json = jsonValue(value, type);
  return typeof json === "object" ? JSON.stringify(json) : String(json);
}

/** The number that a text writes, if a double is exactly that one; else the text. */
function exactNumber(text: string): number | string {
  const number = Number(text);
  if (Number.isSafeInteger(number)) return Number(text);
  const digits = text.replace(/^-|\./g, "").replace(/^0+/, "");
  return text.includes(".") && digits.length <= 15 ? number : text;
}

/** A time in RFC 3339; null when the value is none. */
function timeText(value: DuckDBValue): string | null {
  const nanos = nanosOf(value);
  if (nanos === null) return null;
  const rest = ((nanos % NANOS_PER_MS) + NANOS_PER_MS) % NANOS_PER_MS;
  const ms = (nanos - rest) / NANOS_PER_MS;
  if (ms < TIME_MS_LEAST || ms > TIME_MS_MOST) return String(value);
  const text = new Date(Number(ms)).toISOString();
  if (rest === 0n) return text;
  const finer = String(rest).padStart(6, "0").replace(/000$/, "");
  return `${text.slice(0, -1)}${finer}Z`;
}

function nanosOf(value: DuckDBValue): bigint | null {
  if (value instanceof DuckDBTimestampValue) return value.micros * 1000n;
  if (value instanceof DuckDBTimestampTZValue) return value.micros * 1000n;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * NANOS_PER_MS;
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1000n * NANOS_PER_MS;
  return null;
}

interface Nested {
  readonly valueType?: DuckDBType;
  readonly keyType?: DuckDBType;
  readonly entryTypes?: readonly DuckDBType[];
  readonly memberTypes?: readonly DuckDBType[];
  readonly entryNames?: readonly string[];
  readonly memberTags?: readonly string[];
}

/** What a value with parts is; undefined when it has none. */
function nestedValue(value: DuckDBValue, type: DuckDBType): JsonValue | undefined {
  const { valueType, keyType, entryTypes, entryNames, memberTypes, memberTags } = type as Nested;
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return value.items.map((item) => jsonValue(item, valueType!));
  }
  if (value instanceof DuckDBStructValue) {
    const entries = entryNames!.map((name, i): [string, JsonValue] => {
      return [name, jsonValue(value.entries[name], entryTypes![i])];
    });
    return Object.fromEntries(entries);
  }
  if (value instanceof DuckDBMapValue) {
    return value.entries.map((entry) => ({
      key: jsonValue(entry.key, keyType!),
      value: jsonValue(entry.value, valueType!),
    }));
  }
  if (value instanceof DuckDBUnionValue) {
    return jsonValue(value.value, memberTypes![memberTags!.indexOf(value.tag)]);
  }
}
