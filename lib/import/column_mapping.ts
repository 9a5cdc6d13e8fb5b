/**
 * Which column of a CSV file becomes which part of an event.
 *
 *     user_id=user            the field user_id from the column user
 *     properties.page=url     the property page from the column url
 *
 * Fields that are not named come from the column of their own name, if there is one; columns that
 * are left over become properties of their own name, unless only mapped columns are wanted. An
 * empty cell is a missing value. Values can be fixed too (`source=shop`), for what no column gives.
 */
import { amountCell, timestampCell } from "./cell_text.ts";
import { ImportError } from "./import_error.ts";

/** Fields of an event that a column can fill, in the order in which they are written. */
export const MAPPABLE_FIELDS = [
  "id",
  "user_id",
  "event_type",
  "timestamp",
  "session_id",
  "source",
  "category",
  "amount",
] as const;

type Field = typeof MAPPABLE_FIELDS[number];

const propertyPrefix = "properties.";

/** What the command line says of the mapping. */
export interface MappingOptions {
  /** Each `TARGET=COLUMN`, several parted by commas. */
  readonly map?: readonly string[];
  /** Columns that become properties of their own name. */
  readonly property?: readonly string[];
  /** Each `TARGET=VALUE`: the same in every event. */
  readonly set?: readonly string[];
  /** Whether columns that are not named are left out; they become properties otherwise. */
  readonly onlyMapped?: boolean;
}

/** A mapping that fits a header. */
export class ColumnMapping {
  /** Columns of the file, in order. */
  readonly header: readonly string[];
  /** `TARGET=COLUMN` for every column in use and `TARGET:=VALUE` for fixed values, in order. */
  readonly description: readonly string[];
  readonly #id: Writer | null;
  readonly #fields: readonly Writer[];
  readonly #properties: readonly Writer[];

  constructor(header: readonly string[], targets: ReadonlyMap<string, Origin>) {
    const writers = [...targets].map(([target, origin]) => writerOf(target, origin));
    const fields = MAPPABLE_FIELDS.flatMap((name) => writers.filter((w) => w.target === name));
    this.header = header;
    this.#id = fields.find((writer) => writer.target === "id") ?? null;
    this.#fields = fields.filter((writer) => writer.target !== "id");
    this.#properties = writers.filter((writer) => writer.target.startsWith(propertyPrefix));
    this.description = [...fields, ...this.#properties].map(({ target, origin }) =>
      "column" in origin ? `${target}=${header[origin.column]}` : `${target}:=${origin.value}`
    );
  }

  /** Whether the target gets a value from anywhere. */
  has(target: Field): boolean {
    return [this.#id, ...this.#fields].some((writer) => writer?.target === target);
  }

  /** The row's id; null = it has none. */
  idOf(record: readonly string[]): string | null {
    return this.#id === null ? null : valueOf(this.#id.origin, record) || null;
  }

  /** JSON text of the row's event without its id. */
  eventOf(record: readonly string[]): string {
    const fields = members(this.#fields, record);
    const properties = members(this.#properties, record);
    if (properties === "") return `{${fields}}`;
    return `{${fields}${fields === "" ? "" : ","}"properties":{${properties}}}`;
  }
}

/**
 * Fits a mapping to the header of a file.
 *
 * @throws ImportError (RTA_IMPORT_MAPPING) when a named column is not there, a target is unknown or
 *   named twice, or nothing gives user_id or event_type
 */
export function resolveMapping(
  options: MappingOptions,
  header: readonly string[],
): ColumnMapping {
  const twice = header.find((name, index) => name !== "" && header.indexOf(name) !== index);
  if (twice !== undefined) throw mappingError(`the header has two columns named ${twice}`);
  const targets = namedTargets(options, header);
  const used = new Set([...targets.values()].flatMap((o) => "column" in o ? [o.column] : []));
  for (const field of MAPPABLE_FIELDS) {
    const column = header.indexOf(field);
    if (column < 0 || targets.has(field) || used.has(column)) continue;
    targets.set(field, { column });
    used.add(column);
  }
  for (const [column, name] of header.entries()) {
    if (options.onlyMapped || name === "" || used.has(column)) continue;
    const target = name.startsWith(propertyPrefix) ? name : `${propertyPrefix}${name}`;
    if (!targets.has(target)) targets.set(target, { column });
  }
  const mapping = new ColumnMapping(header, targets);
  for (const field of ["user_id", "event_type"] as const) {
    if (mapping.has(field)) continue;
    throw mappingError(
      `no column gives ${field}. Say which with --map ${field}=COLUMN; the columns are: ` +
        header.join(", "),
    );
  }
  return mapping;
}

/** Where a value comes from. */
type Origin = { readonly column: number } | { readonly value: string };

/** What --map, --property and --set name. */
function namedTargets(options: MappingOptions, header: readonly string[]): Map<string, Origin> {
  const targets = new Map<string, Origin>();
  const add = (target: string, origin: Origin) => {
    if (targets.has(target)) throw mappingError(`${target} is mapped twice`);
    targets.set(target, origin);
  };
  const columnOf = (name: string): Origin => {
    const column = header.indexOf(name);
    if (column >= 0) return { column };
    throw mappingError(`there is no column ${name}; the columns are: ${header.join(", ")}`);
  };
  for (const pair of (options.map ?? []).flatMap((text) => text.split(","))) {
    const [target, column] = readPair(pair, "--map", "COLUMN");
    add(target, columnOf(column));
  }
  for (const column of options.property ?? []) {
    add(`${propertyPrefix}${column}`, columnOf(column));
  }
  for (const pair of options.set ?? []) {
    const [target, value] = readPair(pair, "--set", "VALUE");
    add(target, { value });
  }
  return targets;
}

function readPair(pair: string, option: string, right: string): [target: string, value: string] {
  const at = pair.indexOf("=");
  const [target, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  if (at < 1 || value === "") {
    throw mappingError(`${option} takes TARGET=${right}, not ${JSON.stringify(pair)}`);
  }
  const isProperty = target.startsWith(propertyPrefix) && target !== propertyPrefix;
  if (isProperty || (MAPPABLE_FIELDS as readonly string[]).includes(target)) {
    return [target, value];
  }
  throw mappingError(
    `${option} knows no ${target}; it takes ${MAPPABLE_FIELDS.join(", ")} and properties.NAME`,
  );
}

/** Writes one member of the event. */
interface Writer {
  readonly target: string;
  readonly origin: Origin;
  /** `"name":`. */
  readonly key: string;
  readonly toJson: (cell: string) => string;
}

function writerOf(target: string, origin: Origin): Writer {
  const isProperty = target.startsWith(propertyPrefix);
  const name = isProperty ? target.slice(propertyPrefix.length) : target;
  const toJson = target === "timestamp"
    ? timestampCell
    : target === "amount"
    ? amountCell
    : (cell: string) => JSON.stringify(cell);
  return { target, origin, key: `${JSON.stringify(name)}:`, toJson };
}

function valueOf(origin: Origin, record: readonly string[]): string {
  return "column" in origin ? record[origin.column] : origin.value;
}

function members(writers: readonly Writer[], record: readonly string[]): string {
  let text = "";
  for (const { origin, key, toJson } of writers) {
    const cell = valueOf(origin, record);
    if (cell === "") continue;
    text += `${text === "" ? "" : ","}${key}${toJson(cell)}`;
  }
  return text;
}

function mappingError(message: string): ImportError {
  return new ImportError("RTA_IMPORT_MAPPING", message);
}
