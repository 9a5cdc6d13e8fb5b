/** One stored event as `analytics.v1` answers show it. */

import type { StoredEvent } from "../../lib/store/event_store.ts";
import type { EventJson } from "./answer_json.ts";
import { timestampJson } from "./proto_json.ts";

const CATEGORY_NAMES = [
  "EVENT_TYPE_UNSPECIFIED",
  "EVENT_TYPE_USER",
  "EVENT_TYPE_TRANSACTION",
  "EVENT_TYPE_SYSTEM",
  "EVENT_TYPE_CUSTOM",
];

/** Property values become texts, as the contract's map has them. */
export function eventJson(event: StoredEvent): EventJson {
  const properties = Object.entries(JSON.parse(event.properties || "{}"));
  return {
    id: event.id,
    user_id: event.userId,
    session_id: event.sessionId,
    event_type: CATEGORY_NAMES[event.category] ?? CATEGORY_NAMES[0],
    timestamp: timestampJson(event.timestampMs),
    source: event.source ?? "",
    properties: Object.fromEntries(properties.map(([key, value]) => [key, String(value)])),
    type: event.type,
    ...(event.amount === null ? {} : { amount: event.amount }),
    received_at: timestampJson(event.receivedAtMs),
  };
}
