/**
 * Query parameters of the analytics routes, read strictly: an unknown name, a single parameter sent
 * twice or a value that can't be read is refused with `invalid_parameter` and the parameter's name,
 * because an answer to another question than the one asked is worse than none.
 *
 * Names are those of the proto fields (`time_range.start`); lowerCamel (`timeRange.start`) is taken
 * too. As in proto JSON, an empty value means that the parameter is missing.
 */

import { ECHO_CHARS_MAX, FILTER_TYPES_MAX, GROUP_BY_MAX } from "../../lib/config/limits.ts";
import { wordParameter } from "../../lib/http/api_parameters.ts";
import { invalidParameter, protoName, TIME_FORM, timeOf } from "../../lib/http/json_body.ts";
import type { ProblemError } from "../../lib/http/problem.ts";
import { allOf, type Filter, isOfType } from "../../lib/query/filter/filter.ts";
import {
  type ParsedFilter,
  parseFilterMap,
  parseFilterText,
  readSubject,
} from "../../lib/query/filter/parse_filter.ts";
import { type GroupKey, isType } from "../../lib/query/plan.ts";
import type { Granularity } from "../../lib/query/time_zone.ts";

/** Granularities by their proto numbers; 0 is unspecified. */
const GRANULARITIES: readonly Granularity[] = ["minute", "hour", "day", "week", "month"];

/** A granularity, for descriptions of routes. `missing`: what holds then. */
export function granularityParameter(missing: string) {
  return wordParameter(["minute", "hour", "day", "week", "month"], missing);
}

/** `filters[country]` or `filters.country`: an entry of the contract's map, whose keys are free. */
const MAP_ENTRY = /^filters(?:\[(.+)\]|\.(.+))$/s;

/** The query parameters of one request. Reading a value throws ProblemError when it is bad. */
export class QueryParameters {
  readonly #values = new Map<string, string[]>();
  /** The contract's map of filters. */
  readonly #filters: Record<string, string> = Object.create(null);

  /** @param names All parameters that the route knows, by their proto names. */
  constructor(search: URLSearchParams, names: readonly string[]) {
    for (const [sent, value] of search) {
      const entry = MAP_ENTRY.exec(sent);
      if (entry !== null && names.includes("filters")) {
        this.#addFilter(entry[1] ?? entry[2], value);
        continue;
      }
      const name = protoName(sent);
      if (!names.includes(name)) throw unknownParameter(sent, names);
      const values = this.#values.get(name) ?? [];
      if (value !== "") values.push(value);
      this.#values.set(name, values);
    }
  }

  /** The value, or null when missing. */
  text(name: string): string | null {
    const values = this.#values.get(name) ?? [];
    if (values.length > 1) throw invalidParameter(name, `${name} must be given once`);
    return values[0] ?? null;
  }

  /** All values: the parameter repeated, or a comma list, or both. */
  list(name: string): string[] {
    const values = this.#values.get(name) ?? [];
    return values.flatMap((value) => value.split(",")).map((item) => item.trim())
      .filter((item) => item !== "");
  }

  /** A time in ms since the epoch, or null: RFC 3339, unix seconds or unix milliseconds. */
  time(name: string): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const epochMs = timeOf(text);
    if (Number.isNaN(epochMs)) throw invalidParameter(name, `${name} must be ${TIME_FORM}`);
    return epochMs;
  }

  /**
   * All conditions on events: `event_types`, the map `filters[NAME]=text`, and `filter`, a list as
   * JSON. null = none was given.
   */
  filter(): Filter | null {
    const types = this.list("event_types");
    if (types.length > FILTER_TYPES_MAX) {
      const detail = `event_types must not name more than ${FILTER_TYPES_MAX} event types`;
      throw invalidParameter("event_types", detail);
    }
    const text = this.text("filter");
    return allOf([
      types.length === 0 ? null : isOfType(types),
      filterRead(parseFilterMap(this.#filters, "filters")),
      text === null ? null : filterRead(parseFilterText(text, "filter")),
    ]);
  }

  /** Whether there are conditions beside `event_types`. */
  get hasConditions(): boolean {
    return this.text("filter") !== null || Object.keys(this.#filters).length > 0;
  }

  /** What to group by: fields or properties by name, at most GROUP_BY_MAX. */
  groups(name: string): GroupKey[] {
    return groupKeys(this.list(name), name);
  }

  #addFilter(key: string, value: string): void {
    if (key in this.#filters) throw invalidParameter(`filters.${key}`, "must be given once");
    this.#filters[key] = value;
  }

  /** true or false; false when missing. */
  flag(name: string): boolean {
    const text = this.text(name);
    if (text === null || text === "false" || text === "0") return false;
    if (text === "true" || text === "1") return true;
    throw invalidParameter(name, `${name} must be true or false`);
  }

  /** A whole number from `least` to `most`, or null. */
  integer(name: string, least: number, most: number): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw invalidParameter(name, `${name} must be a whole number from ${least} to ${most}`);
  }

  /** `hour`, `TIME_GRANULARITY_HOUR` or its number 2; null when missing or unspecified. */
  granularity(name: string): Granularity | null {
    return granularityNamed(this.text(name) ?? "", name);
  }
}

/** A granularity in any of its forms; null when unspecified. */
export function granularityNamed(text: string, parameter: string): Granularity | null {
  if (["", "0", "TIME_GRANULARITY_UNSPECIFIED"].includes(text)) return null;
  const word = text.replace(/^TIME_GRANULARITY_/, "").toLowerCase();
  const found = GRANULARITIES.find((each, index) => each === word || String(index + 1) === text);
  if (found !== undefined) return found;
  throw invalidParameter(parameter, `${parameter} must be one of ${GRANULARITIES.join(", ")}`);
}

/** Names of fields or properties as groups; answers name each as it was sent, the type event_type. */
export function groupKeys(names: readonly string[], parameter: string): GroupKey[] {
  if (names.length > GROUP_BY_MAX) {
    throw invalidParameter(parameter, `${parameter} takes at most ${GROUP_BY_MAX} names`);
  }
  const seen = new Set<string>();
  return names.map((name) => {
    const subject = readSubject(name);
    const key = JSON.stringify(subject);
    if (subject === null || seen.has(key)) {
      const detail = `${parameter} must name properties or fields of events, each once`;
      throw invalidParameter(parameter, detail);
    }
    seen.add(key);
    return { label: isType(subject) ? "event_type" : name, subject };
  });
}

/** The filter, or a refusal as ProblemError. */
export function filterRead(parsed: ParsedFilter): Filter | null {
  if (parsed.ok) return parsed.filter;
  throw invalidParameter(parsed.refusal.parameter, parsed.refusal.detail);
}

function unknownParameter(sent: string, names: readonly string[]): ProblemError {
  if (/^filters\b/.test(sent)) {
    const detail = names.includes("filters")
      ? "a filter must be filters[NAME]=text"
      : "filters on properties are not answered by this route";
    return invalidParameter("filters", detail);
  }
  const shown = [...sent].slice(0, ECHO_CHARS_MAX).join("");
  return invalidParameter(shown, `unknown parameter; this route takes ${names.join(", ")}`);
}
