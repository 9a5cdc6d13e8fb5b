/** Shape of the answer about paths; see answer_json.ts. */

import { z } from "zod";
import { Duration, Int64, Notes, quality, TimeRange } from "./answer_json.ts";

/** A step and all that follows it. */
export interface PathStepJson {
  type: string;
  occurrences: string;
  users: string;
  rate: number;
  ended: string;
  other: { types: number; occurrences: string };
  steps: PathStepJson[];
}

const members = {
  occurrences: Int64.describe("Paths that came here"),
  users: Int64.describe("Different users of these"),
  ended: Int64.describe("Paths that go no further: there is no event left within the limits"),
  other: z.strictObject({ types: z.int(), occurrences: Int64 }).describe(
    "Types that come next and are not among the steps, and the paths that went on to them",
  ),
};

const PathStep: z.ZodType<PathStepJson> = z.strictObject({
  type: z.string(),
  ...members,
  rate: z.number().describe("occurrences / occurrences of the step before, 0 to 1"),
  get steps() {
    return z.array(PathStep);
  },
}).meta({
  id: "PathStep",
  description: "Below the last step asked for, steps is empty and other is 0",
});

/** Answer of `POST /v1/analytics/paths`. */
export const PathsSchema = z.strictObject({
  ...members,
  steps: z.array(PathStep).describe("Most occurrences first"),
  metadata: z.strictObject({
    direction: z.enum(["next", "previous"]),
    scope: z.enum(["session", "user"]),
    depth: z.int(),
    limit: z.int(),
    time_range: TimeRange,
    processing_time: Duration,
  }),
  notes: Notes,
  ...quality,
}).meta({ id: "Paths" });

export type PathsJson = z.infer<typeof PathsSchema>;
