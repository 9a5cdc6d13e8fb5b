/**
 * Text views of subjects (lib/query/filter/filter.ts) as columns of a result: what to select, and how
 * to read it, as strings or as ids of a dictionary.
 */

import { CATEGORY_NAMES } from "../../event/event.ts";
import type { Subject } from "../../query/filter/filter.ts";
import type { GroupTexts } from "../event_store.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import { fieldText, type TypeNames } from "./filter_sql.ts";
import { OF_JSON, type PropertySql } from "./property_sql.ts";
import { TextDictionary } from "./text_dictionary.ts";

/** The column of a subject's value, as the functions below read it. */
export function valueSql(subject: Subject, properties: PropertySql = OF_JSON): string {
  if (subject.kind === "property") return properties.json(subject.key);
  switch (subject.name) {
    case "type":
      return "series_id";
    case "category":
      return "category";
    case "timestamp":
    case "received_at":
      return subject.name;
    case "amount":
      return "amount";
    default:
      return fieldText(subject.name);
  }
}

/** A dictionary for the texts of a subject's column. */
export function dictionaryOf(subject: Subject): TextDictionary {
  return new TextDictionary(subject.kind === "property" ? textOfJson : undefined);
}

/** The text views of a subject as ids, row by row. */
export function readTextIds(
  chunk: ChunkReader,
  column: number,
  subject: Subject,
  types: TypeNames,
  dictionary: TextDictionary,
): GroupTexts {
  const numbered = (values: Iterable<number> & ArrayLike<number>, text: (n: number) => string) =>
    Int32Array.from(
      values,
      (value) => Number.isNaN(value) ? dictionary.missing() : dictionary.ofNumber(value, text),
    );
  const ids = () => {
    if (subject.kind === "property") return chunk.textIds(column, dictionary);
    switch (subject.name) {
      case "type":
        return numbered(chunk.int32(column), (id) => types.get(id)!);
      case "category":
        return numbered(chunk.uint8(column), (number) => CATEGORY_NAMES[number]);
      case "timestamp":
      case "received_at":
        return numbered(chunk.int64(column), String);
      case "amount":
        return numbered(chunk.float64(column), String);
      default:
        return chunk.textIds(column, dictionary);
    }
  };
  return { ids: ids(), texts: dictionary.texts };
}

/** The text view of a subject, row by row. */
export function readTexts(
  chunk: ChunkReader,
  column: number,
  subject: Subject,
  types: TypeNames,
): (string | null)[] {
  if (subject.kind === "property") return chunk.strings(column).map(textOfJson);
  switch (subject.name) {
    case "type":
      return Array.from(chunk.int32(column), (id) => types.get(id)!);
    case "category":
      return Array.from(chunk.uint8(column), (number) => CATEGORY_NAMES[number]);
    case "timestamp":
    case "received_at":
      return Array.from(chunk.int64(column), String);
    case "amount":
      return Array.from(chunk.float64(column), (each) => Number.isNaN(each) ? null : String(each));
    default:
      return chunk.strings(column);
  }
}

/** The text view of a property from its JSON: numbers as JavaScript writes them. */
function textOfJson(json: string | null): string | null {
  if (json === null || json === "null") return null;
  if (json.startsWith('"')) return JSON.parse(json);
  return json === "true" || json === "false" ? json : String(Number(json));
}
