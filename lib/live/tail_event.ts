/**
 * An event of a live tail as JSON text: Event of `analytics.v1`, as the pages of a user's events
 * have it (services/analytics/event_json.ts).
 */
import { CATEGORY_NAMES } from "../event/event.ts";
import type { EventView } from "../query/filter/match_filter.ts";

/** The text, on one line. */
export function tailEventText(event: EventView): string {
  const properties = Object.entries(event.properties).map(([key, value]) => [key, String(value)]);
  return JSON.stringify({
    id: event.id,
    user_id: event.userId,
    session_id: event.sessionId,
    event_type: CATEGORY_NAMES[event.category] ?? CATEGORY_NAMES[0],
    timestamp: timeText(event.timestampMs),
    source: event.source ?? "",
    properties: Object.fromEntries(properties),
    type: event.type,
    ...(event.amount === null ? {} : { amount: event.amount }),
    received_at: timeText(event.receivedAtMs),
  });
}

/** RFC 3339 in UTC, with a fraction only where there is one. */
function timeText(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(".000Z", "Z");
}
