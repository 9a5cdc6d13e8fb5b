/** Shape of the answer to a breakdown on REST; see answer_json.ts for the manner. */

import { z } from "zod";
import {
  ChangePercentage,
  Duration,
  Int64,
  Notes,
  quality,
  TimeRange,
  Timestamp,
} from "./answer_json.ts";

const Value = z.number().nullable().describe(
  "null when no event has a number; a sum is 0 then, and so is any count of no events",
);

const figures = {
  value: Value,
  previous_value: Value.describe("In the period of equal length before"),
  change_percentage: ChangePercentage.nullable(),
  events: Int64,
  events_without_number: Int64.describe("Left out of the value, because they have no such number"),
  points: z.array(z.strictObject({
    timestamp: Timestamp.describe("Start of the bucket in the time zone"),
    value: Value,
  })).describe("By time, no bucket left out; empty without a granularity"),
};

/** Answer of `/v1/analytics/breakdown`. */
export const BreakdownSchema = z.strictObject({
  groups: z.array(z.strictObject({
    labels: z.record(z.string(), z.string()).describe("By what it was grouped by"),
    missing: z.array(z.string()).describe("What the group's events do not have of it"),
    ...figures,
  })).describe("Largest value first, at most `limit`"),
  other: z.strictObject(figures).nullable().describe(
    "All events of no group above together; null when there are none",
  ),
  total: z.strictObject(figures).describe("All events"),
  metadata: z.strictObject({
    metric: z.string(),
    group_by: z.array(z.string()),
    limit: z.int(),
    groups: z.int().describe("How many groups there are, told or in `other`"),
    granularity: z.string(),
    time_range: TimeRange,
    previous_time_range: TimeRange,
    time_zone: z.string(),
    processing_time: Duration,
  }),
  ...quality,
  notes: Notes,
}).meta({ id: "Breakdown" });

export type BreakdownJson = z.infer<typeof BreakdownSchema>;
