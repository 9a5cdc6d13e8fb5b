/**
 * Shape of one frame of a live stream: RealTimeAnalyticsResponse of `analytics.v1` in proto JSON
 * with the additions of live_json.ts, and those of a stream. The schema is the source of both the
 * type and the OpenAPI document.
 */

import { z } from "zod";
import { DISTINCT_ESTIMATE, EXACT } from "../../lib/query/metric.ts";
import { LiveSchema, LOWER_BOUND } from "./live_json.ts";

const { metrics, ...window } = LiveSchema.shape;

/** One frame: a window of whole seconds. */
export const LiveStreamSchema = z.strictObject({
  metrics: z.array(metrics.element.extend({
    name: z.enum(["events", "events_per_second", "active_users", "events_by_type", "top_values"]),
    labels: z.record(z.string(), z.string())
      .describe("event_type for events_by_type; property and value for top_values"),
  })).describe("The three totals, the types and the values asked for, largest first"),
  ...window,
  top: z.strictObject({
    property: z.string(),
    since: z.iso.datetime().describe("Values are counted from here on"),
    events: z.number().describe("Events that have the property"),
    other_events: z.number().describe("Of these, events with values that are not listed"),
    events_without: z.number().describe("Events that do not have it"),
    error_max: z.number().describe("Each value has at most so many events more than it says"),
    values_cut: z.number().describe("Events whose value was longer than 128 characters, and cut"),
  }).optional().describe("With top alone"),
}).meta({ id: "LiveWindow" });

/** Accuracy of a metric of a frame. */
export type StreamAccuracy = typeof EXACT | typeof DISTINCT_ESTIMATE | typeof LOWER_BOUND;

export type LiveStreamJson = z.infer<typeof LiveStreamSchema>;
