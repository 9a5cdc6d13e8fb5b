/**
 * Events of all kinds for tests of exports and SQL over real servers: few names and values that meet
 * often, odd texts, long properties, given and derived sessions, with and without source and amount.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { makeProperties, type PropertyValue } from "../../lib/event/event.ts";
import { propertiesText, propertySets } from "./made_filters.ts";
import type { ServerUrls } from "./server.ts";

/** An event as it is sent. */
export interface MadeEvent {
  readonly id: string;
  readonly user_id: string;
  readonly event_type: string;
  readonly timestamp: number;
  readonly source?: string;
  readonly session_id?: string;
  readonly category?: string;
  readonly amount?: number;
  readonly properties: Record<string, PropertyValue>;
}

export const TYPES = ["page_view", "purchase", "signup", 'odd "type", ü'];
export const BASE_MS = Date.UTC(2024, 5, 3);
const HOUR_MS = 3_600_000;

/** `count` events, the same each time, over ten days. */
export function madeEvents(count: number): MadeEvent[] {
  const sets = fc.sample(propertySets, { numRuns: count, seed: 5 });
  return sets.map((set, i) => {
    const long = i % 50 === 7 ? { long: `${i} ü😀 `.repeat(150 + 10 * (i % 37)) } : {};
    return {
      id: `event "${i}"`,
      user_id: `user-${(i * i) % 97}`,
      event_type: TYPES[(i * 7) % 11 % TYPES.length],
      timestamp: BASE_MS + ((i * 7919) % 240) * HOUR_MS + i,
      ...(i % 3 === 0 ? {} : { source: i % 2 === 0 ? "web" : 'app, "2"\n' }),
      ...(i % 4 === 0 ? { session_id: `session-${i % 40}` } : {}),
      ...(i % 6 === 0 ? { category: "EVENT_TYPE_TRANSACTION" } : {}),
      ...(i % 5 === 0 ? { amount: (i % 400) / 4 } : {}),
      properties: makeProperties(
        Object.entries({ ...set, n2: i % 10, ...long }).filter(
          (entry): entry is [string, PropertyValue] => entry[1] !== null,
        ),
      ),
    };
  });
}

/** Sends events in batches and makes sure that all were taken. */
export async function sendEvents(urls: ServerUrls, events: readonly MadeEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += 500) {
    const lines = events.slice(from, from + 500).map(({ properties, ...rest }) =>
      `${JSON.stringify(rest).slice(0, -1)},"properties":${propertiesText(properties, false)}}`
    );
    await sendLines(urls, lines.join("\n"));
  }
}

/** Sends one batch of NDJSON; every line must be taken. */
export async function sendLines(urls: ServerUrls, lines: string): Promise<void> {
  const response = await fetch(`${urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines,
  });
  const answer = await response.json();
  assert.equal(answer.success, true, JSON.stringify(answer).slice(0, 500));
}
