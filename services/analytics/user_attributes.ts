/** A user's last known attributes: of each property the value that the newest event gives it. */

import { USER_ATTRIBUTES_MAX } from "../../lib/config/limits.ts";
import type { PlacedEvent } from "./merge_user.ts";

/** Attributes as texts by property, those that were set last first. */
export interface UserAttributes {
  readonly values: Record<string, string>;
  /** There are more than USER_ATTRIBUTES_MAX; the others are left out. */
  readonly areCut: boolean;
}

/** The attributes that these events give, newest first. */
export function userAttributes(newest: readonly PlacedEvent[]): UserAttributes {
  const values = new Map<string, string>();
  for (const { event } of newest) {
    for (const [key, value] of Object.entries(JSON.parse(event.properties || "{}"))) {
      if (value === null || values.has(key)) continue;
      if (values.size === USER_ATTRIBUTES_MAX) {
        return { values: Object.fromEntries(values), areCut: true };
      }
      values.set(key, String(value));
    }
  }
  return { values: Object.fromEntries(values), areCut: false };
}
