/**
 * Between messages and their proto JSON form (protobuf.dev/programming-guides/json), by the messages'
 * own descriptors: the answers of services are made as proto JSON for REST, and what their questions
 * are read from is JSON too, so that both transports give and take the same.
 *
 *     message (proto-loader)              proto JSON
 *     Timestamp {seconds, nanos}          "2026-01-31T00:00:00Z"
 *     Duration {seconds, nanos}           "1.5s"
 *     int64 "12", enum "NAME"             the same
 *     a message that is null, "", [], {}  left out (of requests)
 */
import { type FieldDescriptor, loadDefinitions } from "./definitions.ts";
import { msOf, type SecondsAndNanos } from "./well_known.ts";

type Json = Readonly<Record<string, unknown>>;

interface Descriptor {
  readonly field: readonly FieldDescriptor[];
  readonly nestedType: readonly { readonly name: string; readonly options: Json | null }[];
}

/** What a field is made of. */
interface Field {
  readonly name: string;
  readonly isRepeated: boolean;
  /** Full name of the message it holds; null = a scalar, an enum or a map. */
  readonly message: string | null;
}

const TIMESTAMP = "google.protobuf.Timestamp";
const DURATION = "google.protobuf.Duration";
const SECOND_MS = 1_000;

const fieldsByType = new Map<string, readonly Field[]>();

/** The message of a type that its proto JSON stands for; members that it lacks are left out. */
export function messageOfJson(type: string, json: Json): object {
  const message: Record<string, unknown> = {};
  for (const field of fieldsOf(type)) {
    const value = json[field.name];
    if (value === undefined || value === null) continue;
    const single = (each: unknown) => field.message === null ? each : memberOf(field.message, each);
    message[field.name] = field.isRepeated && Array.isArray(value)
      ? value.map(single)
      : single(value);
  }
  return message;
}

/** The proto JSON of a message, without members that say nothing. */
export function jsonOfMessage(type: string, message: Json): Json {
  const json: Record<string, unknown> = {};
  for (const field of fieldsOf(type)) {
    const value = message[field.name];
    if (saysNothing(value)) continue;
    const single = (each: unknown) => field.message === null ? each : textOf(field.message, each);
    json[field.name] = field.isRepeated && Array.isArray(value) ? value.map(single) : single(value);
  }
  return json;
}

function memberOf(type: string, json: unknown): unknown {
  if (type === TIMESTAMP) return timestampOfText(json as string);
  if (type === DURATION) return durationOfText(json as string);
  return messageOfJson(type, json as Json);
}

function textOf(type: string, message: unknown): unknown {
  if (type === TIMESTAMP) {
    const ms = msOf(message as SecondsAndNanos)!;
    // What no date can hold is read, and refused, as the text that it is.
    return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
  }
  if (type === DURATION) {
    const { seconds, nanos } = message as SecondsAndNanos;
    return `${Number(seconds) + nanos / 1e9}s`;
  }
  return jsonOfMessage(type, message as Json);
}

function timestampOfText(text: string): SecondsAndNanos {
  const ms = Date.parse(text);
  const seconds = Math.floor(ms / SECOND_MS);
  return { seconds, nanos: (ms - seconds * SECOND_MS) * 1e6 };
}

function durationOfText(text: string): SecondsAndNanos {
  const ms = Math.round(Number(text.slice(0, -1)) * SECOND_MS);
  const seconds = Math.trunc(ms / SECOND_MS);
  return { seconds, nanos: (ms - seconds * SECOND_MS) * 1e6 };
}

/** Of a request: defaults, which proto can't tell from what was not given. */
function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) {
    return true;
  }
  if (value === "0") return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function fieldsOf(type: string): readonly Field[] {
  let fields = fieldsByType.get(type);
  if (fields === undefined) {
    const descriptor = loadDefinitions().message(type).type as unknown as Descriptor;
    const maps = descriptor.nestedType.filter(({ options }) => options?.mapEntry === true)
      .map(({ name }) => name);
    fields = descriptor.field.map((field) => fieldOf(field, maps, type));
    fieldsByType.set(type, fields);
  }
  return fields;
}

function fieldOf(
  { name, label, type, typeName }: FieldDescriptor,
  maps: readonly string[],
  owner: string,
): Field {
  const isMap = maps.some((map) => typeName === map || typeName.endsWith(`.${map}`));
  const isMessage = type === "TYPE_MESSAGE" && !isMap;
  return {
    name,
    isRepeated: label === "LABEL_REPEATED" && !isMap,
    message: isMessage ? fullName(typeName, owner) : null,
  };
}

/** A type's name as the descriptor writes it, seen from the package of its owner. */
export function fullName(name: string, owner: string): string {
  if (name.startsWith(".")) return name.slice(1);
  return name.includes(".") ? name : `${owner.slice(0, owner.lastIndexOf("."))}.${name}`;
}
