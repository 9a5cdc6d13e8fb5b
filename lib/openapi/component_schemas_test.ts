import assert from "node:assert/strict";
import { z } from "zod";
import { duration, message, time, wholeNumber } from "../http/json_body.ts";
import { ComponentSchemas, referenceTo } from "./component_schemas.ts";

interface Node {
  nodes: Node[];
}

Deno.test("ComponentSchemas makes schemas with names components, also ones with themselves in them", () => {
  const components = new ComponentSchemas();
  const node: z.ZodType<Node> = z.strictObject({
    get nodes() {
      return z.array(node);
    },
  }).meta({ id: "Node" });
  assert.deepEqual(components.of(z.array(node)), { type: "array", items: referenceTo("Node") });
  assert.deepEqual(components.all, {
    Node: {
      type: "object",
      properties: { nodes: { type: "array", items: referenceTo("Node") } },
      required: ["nodes"],
      additionalProperties: false,
    },
  });
});

Deno.test("ComponentSchemas refuses what readers would get wrong", () => {
  const unnamed: z.ZodType<Node> = z.strictObject({
    get nodes() {
      return z.array(unnamed);
    },
  });
  assert.throws(() => new ComponentSchemas().of(z.array(unnamed)), /needs a name/);
  const components = new ComponentSchemas();
  components.add("Same", { type: "string" });
  components.add("Same", { type: "string" });
  assert.throws(() => components.add("Same", { type: "number" }), /two schemas are named Same/);
});

Deno.test("ComponentSchemas says of a body what its reader takes", () => {
  const body = message({
    at: time,
    limit: wholeNumber(1, 9).optional(),
    window: duration.optional(),
  });
  const schema = new ComponentSchemas().of(body) as {
    properties: Record<string, Record<string, unknown>>;
    required: string[];
  };
  assert.deepEqual(schema.required, ["at"]);
  assert.deepEqual(schema.properties.at.type, ["string", "number"]);
  assert.deepEqual(schema.properties.limit, { type: "integer", minimum: 1, maximum: 9 });
  assert.equal(schema.properties.window.type, "string");
});
