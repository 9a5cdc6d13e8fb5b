/**
 * JSON Schemas of messages of proto/ in their JSON form (protobuf.dev/programming-guides/json), made
 * of their descriptors: proto names, 64-bit integers as decimal texts, times in RFC 3339, enums by
 * name. No field is required, since proto3 does not know required ones.
 */
import { type FieldDescriptor, loadDefinitions } from "../grpc/definitions.ts";
import { fullName } from "../grpc/proto_json_form.ts";
import type { JsonSchema } from "./component_schemas.ts";

interface Descriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly nestedType: readonly { readonly name: string; readonly field: FieldDescriptor[] }[];
}

const INT64 = { type: "string", pattern: "^-?\\d+$", description: "int64 as a decimal text" };

const SCALARS: Readonly<Record<string, JsonSchema>> = {
  TYPE_STRING: { type: "string" },
  TYPE_BOOL: { type: "boolean" },
  TYPE_DOUBLE: { type: "number" },
  TYPE_INT32: { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
  TYPE_INT64: INT64,
};

const WELL_KNOWN: Readonly<Record<string, JsonSchema>> = {
  "google.protobuf.Timestamp": {
    type: "string",
    format: "date-time",
    description: "RFC 3339; requests may send unix seconds or milliseconds",
  },
  "google.protobuf.Duration": {
    type: "string",
    pattern: "^-?\\d+(\\.\\d{1,9})?s$",
    description: "Seconds, such as 1.5s",
  },
};

/** The schema of a message and of those that it has, by their names without the package. */
export function protoSchemas(type: string): Map<string, JsonSchema> {
  const schemas = new Map<string, JsonSchema>();
  addMessage(type, schemas);
  return schemas;
}

function addMessage(type: string, schemas: Map<string, JsonSchema>): void {
  const { name, field, nestedType } = descriptorOf<Descriptor>(type);
  if (schemas.has(name)) return;
  const properties: Record<string, JsonSchema> = {};
  // Noted before its fields are, for messages that have themselves.
  schemas.set(name, { type: "object", properties, additionalProperties: false });
  for (const each of field) {
    const entry = nestedType.find((nested) =>
      each.typeName === nested.name || each.typeName.endsWith(`.${nested.name}`)
    );
    if (entry !== undefined) {
      const value = entry.field.find((member) => member.name === "value")!;
      const additionalProperties = valueSchema(value, type, schemas);
      properties[each.name] = { type: "object", additionalProperties };
      continue;
    }
    const single = valueSchema(each, type, schemas);
    properties[each.name] = each.label === "LABEL_REPEATED"
      ? { type: "array", items: single }
      : single;
  }
}

/** One value of a field; what it needs is added. */
function valueSchema(
  { type, typeName }: FieldDescriptor,
  owner: string,
  schemas: Map<string, JsonSchema>,
): JsonSchema {
  const scalar = SCALARS[type];
  if (scalar !== undefined) return scalar;
  const full = fullName(typeName, owner);
  const wellKnown = WELL_KNOWN[full];
  if (wellKnown !== undefined) return wellKnown;
  const name = full.slice(full.lastIndexOf(".") + 1);
  if (type === "TYPE_ENUM") {
    const { value } = descriptorOf<{ value: { name: string }[] }>(full);
    schemas.set(name, { type: "string", enum: value.map((each) => each.name) });
  } else if (type === "TYPE_MESSAGE") {
    addMessage(full, schemas);
  } else {
    throw new Error(`${owner} has a field of ${type}, whose JSON form is not known here`);
  }
  return { $ref: `#/components/schemas/${name}` };
}

function descriptorOf<T>(type: string): T {
  return loadDefinitions().message(type).type as unknown as T;
}
