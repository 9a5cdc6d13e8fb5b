/**
 * JSON Schemas (2020-12, which OpenAPI 3.1 takes as they are) of shapes. Those that have a name, a
 * zod schema by its `meta({ id })` or a message of proto/, are components, and referred to.
 */
import { strict as assert } from "node:assert";
import { z } from "zod";
import type { ProtoShape, Shape } from "../http/api_route.ts";
import { protoSchemas } from "./proto_schemas.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Names that zod makes up for schemas that have none. */
const UNNAMED = /^__schema/;

export class ComponentSchemas {
  readonly #schemas = new Map<string, JsonSchema>();

  /** The schema of a shape, or a reference to its component. */
  of(shape: Shape): JsonSchema {
    return isProto(shape) ? this.#ofProto(shape) : this.#ofZod(shape);
  }

  /** Adds a component. Two of one name have to be the same. */
  add(name: string, schema: JsonSchema): void {
    const known = this.#schemas.get(name);
    if (known !== undefined) assert.deepEqual(schema, known, `two schemas are named ${name}`);
    this.#schemas.set(name, schema);
  }

  /** All components by name. */
  get all(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => a < b ? -1 : 1));
  }

  #ofZod(shape: z.ZodType): JsonSchema {
    // What a request is like before it is read is what its schema gives: transforms say by their
    // meta what they take.
    const made = z.toJSONSchema(shape, { io: "output", unrepresentable: "any" });
    const { $schema: _, $defs = {}, ...schema } = made as JsonSchema & {
      $defs?: Record<string, JsonSchema>;
    };
    for (const [name, each] of Object.entries($defs)) {
      assert.ok(!UNNAMED.test(name), "a schema that refers to itself needs a name: meta({ id })");
      const { id: __, ...described } = each;
      this.add(name, withReferences(described));
    }
    return withReferences(schema);
  }

  #ofProto({ proto }: ProtoShape): JsonSchema {
    for (const [name, schema] of protoSchemas(proto)) this.add(name, schema);
    return referenceTo(proto.slice(proto.lastIndexOf(".") + 1));
  }
}

/** A reference to a component. */
export function referenceTo(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function isProto(shape: Shape): shape is ProtoShape {
  return "proto" in shape;
}

/** The schema with zod's own references as those of a document. */
function withReferences(schema: JsonSchema): JsonSchema {
  const text = JSON.stringify(schema).replaceAll(
    '"$ref":"#/$defs/',
    '"$ref":"#/components/schemas/',
  );
  return JSON.parse(text);
}
