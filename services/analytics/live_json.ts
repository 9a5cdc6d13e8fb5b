/**
 * Shape of the live answer on REST: RealTimeAnalyticsResponse of `analytics.v1` in proto JSON, with
 * additions of ours (proto numbers from 20 up) that say what window it is of and what may lack. The
 * schema is the source of both the type and the OpenAPI document.
 */

import { z } from "zod";
import { DISTINCT_ESTIMATE, EXACT } from "../../lib/query/metric.ts";

/** Accuracy of a number that leaves something out: there were at least so many. */
export const LOWER_BOUND = "lower bound";

const Timestamp = z.iso.datetime().describe("RFC 3339, UTC");
const Int64 = z.string().regex(/^\d+$/).describe("int64 as a decimal string");
const Partitions = z.array(z.int());

/** RealTimeAnalyticsResponse of `analytics.v1`. */
export const LiveSchema = z.strictObject({
  metrics: z.array(z.strictObject({
    name: z.enum(["events", "events_per_second", "active_users", "events_by_type"]),
    value: z.number(),
    unit: z.string(),
    timestamp: Timestamp.describe("When the newest part of the answer was published"),
    labels: z.record(z.string(), z.string()).describe("event_type for events_by_type"),
  })).describe("The three totals, then the types, largest first; the smallest are in (other)"),
  timestamp: Timestamp.describe("When the answer was made; the end of the window"),
  window_id: z.string().describe("The same for two answers over the same seconds"),
  window_seconds: z.int(),
  window_start: Timestamp.describe("A whole second; the second that runs is in the window too"),
  users_since: Timestamp.describe("Start of what active_users counts, at or before window_start"),
  complete_until: Timestamp.describe("Everything received before this time is counted"),
  complete: z.boolean().describe("All partitions were heard of, and nothing is missing"),
  missing_partitions: Partitions.describe("Not heard of for 15 s"),
  behind_partitions: Partitions.describe("Heard of, but more than 15 s behind the log"),
  gaps: z.array(z.strictObject({ partition: z.int(), from_offset: Int64, to_offset: Int64 }))
    .describe("Parts of the log whose changes never came: to_offset is not included"),
  known_since: Timestamp.describe("Nothing is known of what was published before this time"),
  accuracy: z.record(z.string(), z.enum([EXACT, DISTINCT_ESTIMATE, LOWER_BOUND]))
    .describe("By name of the metric, exact, the error, or lower bound"),
}).meta({ id: "LiveAnswer" });

export type LiveJson = z.infer<typeof LiveSchema>;
