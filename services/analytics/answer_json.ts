/**
 * Shapes of the analytics answers on REST: proto field names, int64 as strings, Timestamp as
 * RFC 3339, Duration as `0.003s`, enums by name. Fields beyond the contract's are additions of ours
 * (proto numbers from 20 up). No field is left out for being empty, but `amount` where there is
 * none. The schemas are the source of both the types and the OpenAPI document.
 */

import { z } from "zod";
import {
  DISTINCT_ESTIMATE,
  EXACT,
  OF_NEWEST_EVENTS,
  QUANTILE_ESTIMATE,
} from "../../lib/query/metric.ts";

export const Timestamp = z.iso.datetime().describe("RFC 3339, UTC");
export const Duration = z.string().regex(/^\d+(\.\d{3})?s$/).describe("Seconds, such as 0.003s");
export const Int64 = z.string().regex(/^-?\d+$/).describe("int64 as a decimal string");
const UnixSeconds = z.int().describe("Unix seconds");

export const TimeRange = z.strictObject({ start: Timestamp, end: Timestamp })
  .describe("Half open: start is inside, end is not");

const Accuracy = z.record(
  z.string(),
  z.enum([EXACT, DISTINCT_ESTIMATE, QUANTILE_ESTIMATE, OF_NEWEST_EVENTS]),
)
  .describe(
    "By field, exact or the error; top_metrics.NAME and series.value stand for the less exact of " +
      "what they hold",
  );

const Complete = z.boolean().describe(
  "complete_until reaches the end of the range, or the moment of asking if the range is not over",
);

const COMPLETE_UNTIL =
  "Everything received before this time is counted, but for what is in missing_partitions";

const MissingPartitions = z.array(z.int()).optional().describe(
  "Partitions of the log that this answer lacks, because they run in another process or nowhere",
);

/** Of answers that may be empty for a reason worth knowing. */
export const Notes = z.array(z.string()).describe(
  "When the answer is empty: which properties named in it no event in the range has",
);

/** How far and how exact an answer is; part of every `analytics.v1` answer. */
export const quality = {
  complete_until: Timestamp.describe(COMPLETE_UNTIL),
  complete: Complete,
  missing_partitions: MissingPartitions,
  accuracy: Accuracy,
};

export const ChangePercentage = z.number().describe(
  "Against the period of equal length before; 100 when that was 0 and this is not",
);

const EventsByType = "Largest first; beyond 1,000 types the smallest are together in (other)";

/** AnalyticsSummary of `analytics.v1`. */
export const SummarySchema = z.strictObject({
  total_events: Int64,
  unique_users: Int64,
  sessions: Int64,
  events_by_type: z.record(z.string(), Int64).describe(EventsByType),
  top_metrics: z.array(z.strictObject({
    name: z.string(),
    value: z.number(),
    unit: z.string(),
    change_percentage: ChangePercentage,
  })),
  last_updated: Timestamp,
  metadata: z.strictObject({
    time_range: TimeRange,
    processing_time: Duration,
    cache_status: z.string(),
  }),
  ...quality,
  notes: Notes.optional(),
}).meta({ id: "AnalyticsSummary" });

/** AnalyticsSummary of the older generation, with the newer one's numbers beside it. */
export const LegacySummarySchema = z.strictObject({
  total_events: z.int(),
  total_users: z.int(),
  events_by_type: z.record(z.string(), z.int()).describe(EventsByType),
  top_metrics: z.array(z.strictObject({
    name: z.string(),
    value: z.number(),
    labels: z.strictObject({ unit: z.string() }),
    timestamp: UnixSeconds,
    change_percentage: ChangePercentage,
  })),
  last_updated: UnixSeconds,
  unique_users: z.int(),
  sessions: z.int(),
  from: UnixSeconds,
  to: UnixSeconds,
  complete_until: UnixSeconds.describe(COMPLETE_UNTIL),
  complete: Complete,
  missing_partitions: MissingPartitions,
  accuracy: Accuracy,
  notes: Notes.optional(),
}).meta({ id: "LegacyAnalyticsSummary" });

/** GetTimeSeriesResponse of `analytics.v1`. */
export const SeriesSchema = z.strictObject({
  series: z.array(z.strictObject({
    timestamp: Timestamp.describe(
      "Start of the bucket in the time zone, also where the range begins later",
    ),
    value: z.number().describe("0 in a bucket without events, for averages and percentiles too"),
    labels: z.record(z.string(), z.string()).describe(
      "By what it was grouped by; a label that the events do not have is not there",
    ),
  })).describe("By group, then by time; no bucket is left out"),
  metadata: z.strictObject({
    metric: z.string(),
    granularity: z.string(),
    data_points: z.int(),
    time_range: TimeRange,
    time_zone: z.string(),
    processing_time: Duration,
  }),
  ...quality,
  notes: Notes.optional(),
}).meta({ id: "TimeSeries" });

/** Event of `analytics.v1` as stored. */
export const EventSchema = z.strictObject({
  id: z.string(),
  user_id: z.string(),
  session_id: z.string().describe("As sent, or derived"),
  event_type: z.string().describe("The category, such as EVENT_TYPE_USER"),
  timestamp: Timestamp,
  source: z.string(),
  properties: z.record(z.string(), z.string()),
  type: z.string().describe("The event type as answers name it, such as page_view"),
  amount: z.number().optional(),
  received_at: Timestamp,
}).meta({ id: "StoredEvent" });

/** UserSession of `analytics.v1`. */
const SessionSchema = z.strictObject({
  session_id: z.string(),
  start_time: Timestamp,
  end_time: Timestamp,
  event_count: z.int(),
  duration: Duration,
  properties: z.record(z.string(), z.string()).describe("Always empty: sessions have none"),
  entry_type: z.string().describe("Type of the first event"),
  exit_type: z.string().describe("Type of the last event"),
});

/** UserMetrics of `analytics.v1`. */
const UserMetricsSchema = z.strictObject({
  engagement_score: z.number().describe("0 to 100, by the formula in docs/ANALYTICS.md"),
  days_active: z.int().describe("Days in the time zone with an event"),
  avg_session_duration: z.number().describe("Seconds; 0 without sessions"),
  total_transactions: z.int(),
  total_revenue: z.number().describe("Purchases and subscriptions minus refunds"),
  sessions: z.int().describe("Sessions that start in the range"),
  days_in_range: z.int().describe("Days that the user could have been active on"),
}).describe("Of the range");

/** One user that a search has found. */
const FoundUserSchema = z.strictObject({
  user_id: z.string(),
  first_seen: Timestamp,
  last_seen: Timestamp,
  total_events: z.int(),
});

/** GetUserAnalyticsResponse of `analytics.v1`. */
export const UserSchema = z.strictObject({
  user_profile: z.strictObject({
    user_id: z.string(),
    first_seen: Timestamp,
    last_seen: Timestamp,
    total_sessions: z.int(),
    total_events: z.int(),
    attributes: z.record(z.string(), z.string()).describe("Last known value of each property"),
    attribute_events: z.int().describe("Newest events that attributes were read from"),
  }).describe("Over all of the user's events, whatever the range"),
  sessions: z.array(SessionSchema).describe(
    "Those that start in the range, newest first; only with include_sessions",
  ),
  events: z.array(EventSchema).describe("In the range, newest first; only with include_events"),
  metrics: UserMetricsSchema,
  next_page_token: z.string().describe("Of the events; empty on the last page"),
  next_sessions_page_token: z.string().describe("Of the sessions; empty on the last page"),
  time_range: TimeRange,
  time_zone: z.string(),
  notes: z.array(z.string()).describe("What is odd about the question or the answer"),
  ...quality,
}).meta({ id: "UserAnalytics" });

/** Answer to a search for users. */
export const UsersSchema = z.strictObject({
  users: z.array(FoundUserSchema).describe("By id"),
  next_page_token: z.string().describe("Empty on the last page"),
  ...quality,
}).meta({ id: "FoundUsers" });

export type SummaryJson = z.infer<typeof SummarySchema>;
export type LegacySummaryJson = z.infer<typeof LegacySummarySchema>;
export type SeriesJson = z.infer<typeof SeriesSchema>;
export type EventJson = z.infer<typeof EventSchema>;
export type SessionJson = z.infer<typeof SessionSchema>;
export type UserMetricsJson = z.infer<typeof UserMetricsSchema>;
export type UsersJson = z.infer<typeof UsersSchema>;
export type UserJson = z.infer<typeof UserSchema>;
export type TimeRangeJson = z.infer<typeof TimeRange>;
export type QualityJson = Pick<SummaryJson, keyof typeof quality>;
