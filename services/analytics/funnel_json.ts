/** Shapes of the answers about funnels on REST; see answer_json.ts for what they have in common. */

import { z } from "zod";
import { FUNNEL_ORDERS } from "../../lib/query/funnel/plan_funnel.ts";
import { Duration, Int64, Notes, quality, TimeRange, Timestamp } from "./answer_json.ts";

const Rate = z.number().min(0).max(1);

const step = {
  name: z.string(),
  users: Int64.describe("Users whose attempt has the step"),
  conversion_rate: Rate.describe("Of the users of the first step"),
  avg_time_to_convert: Duration.nullable().describe(
    "From the step before that was reached; null where nobody converted, and for the first step",
  ),
  conversion_from_previous: Rate.describe(
    "Of the users of the step before that is not optional; 1 for the first step, 0 of nobody",
  ),
  dropped: Int64.describe("Users who got no further; 0 for the last step"),
  optional: z.boolean(),
};

const Step = z.strictObject({
  ...step,
  median_time_to_convert: Duration.nullable().describe("Within 1 %"),
});

/** GetFunnelAnalysisResponse of `analytics.v1`. */
export const FunnelSchema = z.strictObject({
  steps: z.array(Step),
  overall_conversion_rate: Rate.describe("Users of the last step of those of the first"),
  metadata: z.strictObject({
    time_range: TimeRange,
    total_users: Int64.describe("Users of the first step"),
    processing_time: Duration,
    order: z.enum(FUNNEL_ORDERS),
    window: Duration,
    step_timeout: Duration.nullable(),
  }),
  breakdown: z.array(z.strictObject({
    kind: z.enum(["value", "other", "none"]).describe(
      "other: all values that are not shown, together; none: users whose first step has no value",
    ),
    value: z.string().describe("The value, (other) or (none)"),
    steps: z.array(z.strictObject(step)),
    overall_conversion_rate: Rate,
  })).describe("Most users first; empty unless asked for"),
  notes: Notes,
  ...quality,
}).meta({ id: "FunnelAnalysis" });

/** A page of the users of a funnel. */
export const FunnelUsersSchema = z.strictObject({
  users: z.array(z.strictObject({
    user_id: z.string(),
    first_step_at: Timestamp.describe("When the attempt that counts began"),
    last_step_at: Timestamp.describe("When it ended"),
    last_step: z.int().describe("The last step of it, counted from 1"),
  })).describe("In an order of their own that stays the same"),
  next_page_token: z.string().describe("Empty on the last page"),
  metadata: z.strictObject({ time_range: TimeRange, processing_time: Duration }),
  notes: Notes,
  ...quality,
}).meta({ id: "FunnelUsers" });

export type FunnelJson = z.infer<typeof FunnelSchema>;
export type FunnelUsersJson = z.infer<typeof FunnelUsersSchema>;
