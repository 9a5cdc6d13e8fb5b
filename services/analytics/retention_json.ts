/**
 * Shapes of the answers about who came back, as answer_json.ts has those of the contract: proto
 * field names, int64 as strings, times in RFC 3339. The schemas are the source of both the types and
 * the OpenAPI document.
 */

import { z } from "zod";
import { Duration, Int64, Notes, quality, TimeRange, Timestamp } from "./answer_json.ts";

const Rate = z.number().describe("0 to 1; 0 where there is nobody to divide by");

const PeriodsMetadata = {
  granularity: z.string().describe("TIME_GRANULARITY_DAY, _WEEK or _MONTH"),
  time_zone: z.string(),
  time_range: TimeRange.describe("The range asked for, widened to whole periods"),
  processing_time: Duration,
};

/** Answer of `POST /v1/analytics/retention`. */
export const RetentionSchema = z.strictObject({
  cohorts: z.array(z.strictObject({
    start: Timestamp,
    end: Timestamp,
    size: Int64.describe("Users whose first start event lies in this period"),
    complete: z.boolean().describe("The period is over: nobody joins the cohort any more"),
    periods: z.array(z.strictObject({
      period: z.int().describe("Periods after the cohort's own, which is 0"),
      start: Timestamp,
      users: Int64,
      rate: Rate.describe("users / size"),
      complete: z.boolean().describe(
        "Over: by mode exact the period is, by rolling the whole range",
      ),
    })),
  })),
  totals: z.strictObject({
    size: Int64.describe("Users of all cohorts"),
    periods: z.array(z.strictObject({
      period: z.int(),
      cohorts: z.int().describe("Cohorts whose cell is complete; the figures are of these alone"),
      size: Int64,
      users: Int64,
      rate: Rate.describe("users / size: the average weighted by the cohorts' sizes"),
    })),
  }),
  metadata: z.strictObject({
    mode: z.enum(["exact", "rolling"]),
    cohort: z.enum(["first_in_range", "first_ever"]),
    ...PeriodsMetadata,
  }),
  notes: Notes,
  ...quality,
}).meta({ id: "Retention" });

/** Answer of `POST /v1/analytics/stickiness`. */
export const StickinessSchema = z.strictObject({
  periods: z.array(z.strictObject({
    start: Timestamp,
    end: Timestamp,
    complete: z.boolean().describe("The period is over"),
    days: z.int().describe("Days of the period that have begun"),
    users: Int64.describe("Users active on at least one day"),
    user_days: Int64.describe("Active days of all users together"),
    mean_days: z.number().describe("user_days / users"),
    daily_users: z.number().describe("user_days / days: active users of a day, on average"),
    ratio: Rate.describe("daily_users / users: DAU/WAU of a week, DAU/MAU of a month"),
    users_by_days: z.array(Int64).describe("Users active on exactly 1, 2, 3, ... days"),
  })),
  active_users: z.strictObject({
    day: TimeRange.describe("The last day that is over; from 1970 to 1970 where none is"),
    complete: z.boolean(),
    daily: Int64.describe("Users of that day"),
    weekly: Int64.describe("Users of the 7 days that end with it"),
    monthly: Int64.describe("Users of the 30 days that end with it"),
    daily_to_weekly: Rate,
    daily_to_monthly: Rate,
    weekly_to_monthly: Rate,
  }),
  metadata: z.strictObject(PeriodsMetadata),
  notes: Notes,
  ...quality,
}).meta({ id: "Stickiness" });

export type RetentionJson = z.infer<typeof RetentionSchema>;
export type StickinessJson = z.infer<typeof StickinessSchema>;
