import assert from "node:assert/strict";
import { protoSchemas } from "./proto_schemas.ts";

Deno.test("protoSchemas() gives a message in its JSON form with all that it has", () => {
  const schemas = protoSchemas("analytics.v1.IngestEventRequest");
  assert.deepEqual(schemas.get("IngestEventRequest"), {
    type: "object",
    properties: {
      event: { $ref: "#/components/schemas/Event" },
      options: { $ref: "#/components/schemas/IngestOptions" },
    },
    additionalProperties: false,
  });
  const { properties } = schemas.get("Event") as { properties: Record<string, unknown> };
  assert.deepEqual(properties.properties, {
    type: "object",
    additionalProperties: { type: "string" },
  });
  assert.deepEqual(properties.event_type, { $ref: "#/components/schemas/EventType" });
  assert.equal((properties.timestamp as { format: string }).format, "date-time");
  const type = schemas.get("EventType") as { enum: string[] };
  assert.deepEqual(type.enum.slice(0, 2), ["EVENT_TYPE_UNSPECIFIED", "EVENT_TYPE_USER"]);
  const transaction = schemas.get("TransactionEvent") as { properties: Record<string, unknown> };
  assert.deepEqual(transaction.properties.items, {
    type: "array",
    items: { $ref: "#/components/schemas/TransactionItem" },
  });
});

Deno.test("protoSchemas() writes 64-bit integers as texts, alone and in maps", () => {
  const { properties } = protoSchemas("analytics.v1.AnalyticsSummary").get("AnalyticsSummary") as {
    properties: Record<string, { type: string; additionalProperties: { type: string } }>;
  };
  assert.equal(properties.total_events.type, "string");
  assert.equal(properties.events_by_type.additionalProperties.type, "string");
});
