import { strict as assert } from "node:assert";
import { type CanonicalEvent, makeProperties, type PropertyValue } from "./event.ts";
import { EventScan, SCAN_COMPLETE, scanEvent } from "./scan.ts";
import { encodeUtf8 } from "./text_coding.ts";
import {
  eventFromScan,
  type SlowContext,
  validatePlain,
  validateV1,
  writeCanonicalLine,
} from "./validate.ts";

const NOW_MS = 1_800_000_000_000;
const CONTEXT: SlowContext = { receivedAtMs: NOW_MS, makeId: () => "made" };

const BARE = {
  user_id: "u",
  event_type: "EVENT_TYPE_USER",
  timestamp: "2023-11-14T22:13:20Z",
} as const;

function accepted(value: unknown): CanonicalEvent {
  const verdict = validateV1(encodeUtf8(JSON.stringify(value)), CONTEXT);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assertLineHolds(verdict.event);
  return verdict.event;
}

/** The line in the log means the same event to both readers of it. */
function assertLineHolds(event: CanonicalEvent): void {
  const line = writeCanonicalLine(event);
  const scan = new EventScan();
  assert.equal(scanEvent(line, 0, line.length, NOW_MS, scan), SCAN_COMPLETE);
  assert.deepEqual(eventFromScan(line, scan), event);
  assert.deepEqual(validatePlain(line, CONTEXT), { ok: true, event });
}

function propertiesOf(members: Record<string, unknown>): Record<string, PropertyValue> {
  return accepted({ ...BARE, ...members }).properties;
}

function properties(entries: Record<string, PropertyValue>): Record<string, PropertyValue> {
  return makeProperties(Object.entries(entries));
}

Deno.test("validateV1() gives the canonical event when it is bare, wrapped or in lowerCamel", () => {
  const expected: CanonicalEvent = {
    id: "made",
    userId: "u",
    sessionId: "s",
    type: "user",
    category: 1,
    timestampMs: 1_700_000_000_000,
    source: null,
    properties: properties({ k: "v" }),
    amount: null,
  };
  const more = { id: "", source: "", properties: { k: "v" } };
  assert.deepEqual(accepted({ ...BARE, ...more, session_id: "s" }), expected);
  assert.deepEqual(accepted({ event: { ...BARE, ...more, session_id: "s" } }), expected);
  assert.deepEqual(
    accepted({
      event: {
        id: null,
        userId: "u",
        eventType: 1,
        timestamp: 1_700_000_000,
        sessionId: "s",
        properties: { k: "v" },
        unknown: 1,
      },
      options: { async: true },
    }),
    expected,
  );
});

Deno.test("validateV1() flattens a user event into properties when it has nested parts", () => {
  const event = accepted({
    ...BARE,
    properties: { plan: "pro", action: "loses", n: 1 },
    userEvent: {
      action: "click",
      pageUrl: "/a",
      referrer: "",
      metadata: { "k.1": "v", empty: "" },
      userContext: { deviceType: "mobile", country: "DE" },
    },
  });
  assert.equal(event.type, "click");
  assert.deepEqual(
    event.properties,
    properties({
      plan: "pro",
      action: "click",
      n: 1,
      page_url: "/a",
      "metadata.k.1": "v",
      "metadata.empty": "",
      "user_context.device_type": "mobile",
      "user_context.country": "DE",
      "user_context.is_new_user": false,
    }),
  );
});

Deno.test("validateV1() turns a transaction into type, amount and properties when it is one", () => {
  const event = accepted({
    ...BARE,
    event_type: "EVENT_TYPE_TRANSACTION",
    transaction_event: {
      transaction_id: "tx",
      type: "TRANSACTION_TYPE_PURCHASE",
      amount: "12.5",
      currency: "EUR",
      status: 2,
      items: [{ itemId: "i", price: 12.5, quantity: 1 }],
      metadata: { storeId: "7", customFields: { a: "b" } },
    },
  });
  assert.equal(event.type, "purchase");
  assert.equal(event.category, 2);
  assert.equal(event.amount, 12.5);
  assert.deepEqual(
    event.properties,
    properties({
      transaction_id: "tx",
      type: "TRANSACTION_TYPE_PURCHASE",
      currency: "EUR",
      status: "TRANSACTION_STATUS_COMPLETED",
      items: '[{"item_id":"i","name":"","category":"","price":12.5,"quantity":1}]',
      "metadata.store_id": "7",
      "metadata.custom_fields.a": "b",
    }),
  );
  const bare = { ...BARE, event_type: 2, transaction_event: { transaction_id: "tx" } };
  assert.equal(accepted(bare).type, "transaction");
  assert.equal(accepted(bare).amount, 0);
});

Deno.test("validateV1() names the type after the data when it is a system or custom event", () => {
  const system = accepted({
    ...BARE,
    event_type: 3,
    system_event: { type: 1, severity: "SYSTEM_SEVERITY_HIGH", metrics: { cpuUsage: 0.5 } },
  });
  assert.equal(system.type, "error");
  assert.equal(system.properties.severity, "SYSTEM_SEVERITY_HIGH");
  assert.equal(system.properties["metrics.cpu_usage"], 0.5);
  assert.equal(system.properties["metrics.active_connections"], 0);
  const custom = accepted({
    ...BARE,
    event_type: 4,
    custom_event: { name: "signup", attributes: { plan: "pro" }, metrics: [{ name: "m" }] },
  });
  assert.equal(custom.type, "signup");
  assert.deepEqual(
    custom.properties,
    properties({
      name: "signup",
      "attributes.plan": "pro",
      metrics: '[{"name":"m","value":0,"unit":""}]',
    }),
  );
});

Deno.test("validateV1() takes the amount from properties when there is no transaction", () => {
  assert.equal(accepted({ ...BARE, properties: { amount: "3.5" } }).amount, 3.5);
  assert.deepEqual(propertiesOf({ properties: { a: null } }), properties({}));
});

Deno.test("validateV1() refuses with code and field when input is bad", () => {
  const transaction = (members: Record<string, unknown>) => ({
    ...BARE,
    transaction_event: { transaction_id: "tx", ...members },
  });
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`p${n}`, ""]));
  const refused: readonly (readonly [code: string, field: string, value: unknown])[] = [
    ["not_an_object", "", []],
    ["not_an_object", "event", { event: null }],
    ["not_an_object", "event", { event: [BARE] }],
    ["missing_field", "user_id", { ...BARE, user_id: undefined }],
    ["empty_field", "user_id", { ...BARE, user_id: "" }],
    ["too_long", "user_id", { ...BARE, user_id: "x".repeat(257) }],
    ["too_long", "id", { ...BARE, id: "x".repeat(129) }],
    ["wrong_type", "id", { ...BARE, id: 1 }],
    ["missing_field", "event_type", { ...BARE, event_type: undefined }],
    ["invalid_event_type", "event_type", { ...BARE, event_type: "page_view" }],
    ["invalid_event_type", "event_type", { ...BARE, event_type: "EVENT_TYPE_UNSPECIFIED" }],
    ["invalid_event_type", "event_type", { ...BARE, event_type: 5 }],
    ["invalid_event_type", "event_type", { ...BARE, event_type: 1.5 }],
    ["invalid_event_type", "event_type", { ...BARE, event_type: true }],
    ["missing_field", "timestamp", { ...BARE, timestamp: undefined }],
    ["missing_field", "timestamp", { ...BARE, timestamp: null }],
    ["invalid_timestamp", "timestamp", { ...BARE, timestamp: "today" }],
    ["timestamp_out_of_range", "timestamp", { ...BARE, timestamp: 0 }],
    ["timestamp_in_future", "timestamp", { ...BARE, timestamp: "2099-01-01T00:00:00Z" }],
    ["duplicate_key", "user_id", { ...BARE, userId: "u" }],
    ["property_nested", "properties.a", { ...BARE, properties: { a: {} } }],
    ["too_many_properties", "properties", { ...BARE, properties: many }],
    ["properties_too_large", "properties", { ...BARE, properties: { a: "x".repeat(33_000) } }],
    ["event_too_large", "", { ...BARE, x: "x".repeat(66_000) }],
    ["nul_character", "event.source", { event: { ...BARE, source: "\0" } }],
    ["missing_field", "user_event.action", { ...BARE, user_event: {} }],
    ["empty_field", "user_event.action", { ...BARE, user_event: { action: "" } }],
    ["too_long", "user_event.action", { ...BARE, userEvent: { action: "x".repeat(129) } }],
    ["wrong_type", "user_event", { ...BARE, userEvent: "click" }],
    ["wrong_type", "user_event.page_url", { ...BARE, userEvent: { action: "a", pageUrl: 1 } }],
    ["empty_field", "custom_event.name", { ...BARE, custom_event: { name: "" } }],
    ["wrong_type", "custom_event.metrics", {
      ...BARE,
      custom_event: { name: "n", metrics: {} },
    }],
    ["wrong_type", "custom_event.metrics.0.value", {
      ...BARE,
      custom_event: { name: "n", metrics: [{ value: "NaN" }] },
    }],
    ["wrong_type", "custom_event", { ...transaction({}), custom_event: { name: "n" } }],
    ["empty_field", "transaction_event.transaction_id", transaction({ transaction_id: "" })],
    ["wrong_type", "transaction_event.type", transaction({ type: "PURCHASE" })],
    ["invalid_amount", "transaction_event.amount", transaction({ amount: -1 })],
    ["wrong_type", "transaction_event.amount", transaction({ amount: "a lot" })],
    ["wrong_type", "transaction_event.amount", transaction({ amount: "1e999" })],
    ["invalid_currency", "transaction_event.currency", transaction({ currency: "EURO" })],
    ["invalid_currency", "transaction_event.currency", transaction({ currency: "€€€" })],
    [
      "wrong_type",
      "transaction_event.items.0.quantity",
      transaction({ items: [{ quantity: .5 }] }),
    ],
  ];
  for (const [code, field, value] of refused) {
    const verdict = validateV1(encodeUtf8(JSON.stringify(value)), CONTEXT);
    const label = JSON.stringify(value).slice(0, 200);
    assert.ok(!verdict.ok, label);
    assert.deepEqual([verdict.rejection.code, verdict.rejection.field], [code, field], label);
    assert.ok(verdict.rejection.message.length > 10, label);
  }
});

Deno.test("validateV1() names the id of the wrapped event when it refuses it", () => {
  for (const event of [{ ...BARE, id: "i", user_id: "" }, { ...BARE, id: "i", source: "\0" }]) {
    const verdict = validateV1(encodeUtf8(JSON.stringify({ event })), CONTEXT);
    assert.equal(!verdict.ok && verdict.rejection.id, "i");
  }
});
