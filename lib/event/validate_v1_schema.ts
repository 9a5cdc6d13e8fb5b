/**
 * The zod schemas of `analytics.v1.Event` in its JSON form (contract, section 3; the proto3 JSON
 * mapping, protobuf.dev/programming-guides/json): proto and lowerCamel names, null = default, enums
 * by name or number, doubles and int32 also as strings, unknown fields ignored.
 *
 * Part of the slow path (validate.ts). What comes out has proto names, every scalar set, enums as
 * their names with "" for UNSPECIFIED, and maps as Map.
 */
import { z } from "zod";
import {
  ID_CHARS_MAX,
  SESSION_ID_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TYPE_CHARS_MAX,
  USER_ID_CHARS_MAX,
} from "../config/limits.ts";
import { CATEGORY_NAMES } from "./event.ts";
import {
  addReason,
  anyText,
  filledText,
  propertyMap,
  textUpTo,
  timestampMs,
} from "./validate_fields.ts";

/** A message: fields by either name, null left out. */
function message<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape).map((name) => ({ name, camel: lowerCamel(name) }));
  return z.preprocess((value, sink) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const given = value as Record<string, unknown>;
    const fields: Record<string, unknown> = {};
    for (const { name, camel } of names) {
      if (name !== camel && Object.hasOwn(given, name) && Object.hasOwn(given, camel)) {
        addReason(sink, "duplicate_key", `is sent as ${name} and as ${camel}; send one of them`, [
          name,
        ]);
      }
      const field = Object.hasOwn(given, name)
        ? given[name]
        : Object.hasOwn(given, camel)
        ? given[camel]
        : null;
      if (field !== null) fields[name] = field;
    }
    return fields;
  }, z.object(shape, { error: "must be an object" }));
}

function lowerCamel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** A string; "" when it is not given. */
const text = anyText.default("");

/** A string that must be given and not be empty. */
const requiredText = filledText(Number.MAX_SAFE_INTEGER);

const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && DECIMAL.test(value) ? Number(value) : NaN;
}

/** A finite double, 0 when it is not given. */
const double = z.unknown().transform((value, sink): number => {
  const number = numberOf(value);
  if (!Number.isFinite(number)) addReason(sink, "wrong_type", "must be a finite number");
  return number + 0;
}).default(0);

/** An int32, 0 when it is not given. */
const int32 = double.transform((number, sink): number => {
  if ((number | 0) !== number) addReason(sink, "wrong_type", "must be a whole 32-bit number");
  return number;
});

const bool = z.boolean({ error: "must be true or false" }).default(false);

/** A map<string,string>; numbers and booleans are taken as well. */
const map = propertyMap.transform((properties) => new Map(Object.entries(properties)))
  .default(() => new Map());

/** Name of an enum value from its name or number, or null. */
function enumName(names: readonly string[], value: unknown): string | null {
  if (typeof value === "number") return names[value] ?? null;
  return typeof value === "string" && names.includes(value) ? value : null;
}

/** An enum; "" when it is not given or UNSPECIFIED. `values` begin at number 1. */
function enumeration(prefix: string, values: readonly string[]) {
  const names = ["UNSPECIFIED", ...values].map((value) => `${prefix}_${value}`);
  return z.unknown().transform((value, sink): string => {
    const name = enumName(names, value);
    if (name === null) addReason(sink, "wrong_type", `must be one of ${names.join(", ")}`);
    return name === null || name === names[0] ? "" : name;
  }).default("");
}

/** EventType as its number, 1 to 4. */
const eventType = z.unknown().transform((value, sink): number => {
  const number = CATEGORY_NAMES.indexOf(enumName(CATEGORY_NAMES, value) ?? "");
  const names = CATEGORY_NAMES.slice(1).join(", ");
  if (value === undefined) addReason(sink, "missing_field", `is missing; send one of ${names}`);
  else if (number < 1) addReason(sink, "invalid_event_type", `must be one of ${names}`);
  return number;
});

const currency = text.superRefine((value, sink) => {
  if (value === "" || /^[A-Za-z]{3}$/.test(value)) return;
  addReason(sink, "invalid_currency", "must be three letters, such as EUR");
});

const amount = double.superRefine((value, sink) => {
  if (value < 0) addReason(sink, "invalid_amount", "must be 0 or more");
});

const userEvent = message({
  action: filledText(TYPE_CHARS_MAX),
  page_url: text,
  referrer: text,
  user_agent: text,
  ip_address: text,
  metadata: map,
  user_context: message({
    device_type: text,
    browser: text,
    os: text,
    country: text,
    city: text,
    is_new_user: bool,
  }).optional(),
});

const transactionEvent = message({
  transaction_id: requiredText,
  type: enumeration("TRANSACTION_TYPE", ["PURCHASE", "REFUND", "SUBSCRIPTION", "TRANSFER"]),
  amount,
  currency,
  status: enumeration("TRANSACTION_STATUS", ["PENDING", "COMPLETED", "FAILED", "CANCELLED"]),
  payment_method: text,
  items: z.array(
    message({ item_id: text, name: text, category: text, price: double, quantity: int32 }),
    { error: "must be an array" },
  ).default([]),
  metadata: message({ merchant_id: text, store_id: text, campaign_id: text, custom_fields: map })
    .optional(),
});

const systemEvent = message({
  component: text,
  type: enumeration("SYSTEM_EVENT_TYPE", ["ERROR", "WARNING", "INFO", "METRIC"]),
  severity: enumeration("SYSTEM_SEVERITY", ["LOW", "MEDIUM", "HIGH", "CRITICAL"]),
  message: text,
  tags: map,
  metrics: message({
    cpu_usage: double,
    memory_usage: double,
    disk_usage: double,
    active_connections: int32,
    response_time: double,
  }).optional(),
});

const customEvent = message({
  name: filledText(TYPE_CHARS_MAX),
  category: text,
  attributes: map,
  metrics: z.array(
    message({ name: text, value: double, unit: text }),
    { error: "must be an array" },
  ).default([]),
});

/** One `analytics.v1.Event`. */
export const v1Event = message({
  id: textUpTo(ID_CHARS_MAX).default(""),
  user_id: filledText(USER_ID_CHARS_MAX),
  session_id: textUpTo(SESSION_ID_CHARS_MAX).default(""),
  event_type: eventType,
  timestamp: timestampMs,
  source: textUpTo(SOURCE_CHARS_MAX).default(""),
  properties: propertyMap.optional(),
  user_event: userEvent.optional(),
  transaction_event: transactionEvent.optional(),
  system_event: systemEvent.optional(),
  custom_event: customEvent.optional(),
}).superRefine((event, sink) => {
  const given = EVENT_DATA.filter((name) => event[name] !== undefined);
  if (given.length > 1) {
    addReason(sink, "wrong_type", `must not be sent beside ${given[0]}; send one`, [given[1]]);
  }
});

/** The fields of the oneof `event_data`. */
const EVENT_DATA = ["user_event", "transaction_event", "system_event", "custom_event"] as const;

export type V1Event = z.infer<typeof v1Event>;
