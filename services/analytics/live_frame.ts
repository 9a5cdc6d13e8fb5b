/**
 * One frame of a live stream from what was counted: the numbers of the window that has just ended,
 * what it lacks, and how exact it is.
 */

import type { LiveReach, WindowReach } from "../../lib/live/live_reach.ts";
import type { LiveTally, TallyWindow } from "../../lib/live/live_tally.ts";
import type { WindowTop } from "../../lib/live/live_tops.ts";
import { DISTINCT_ESTIMATE, EXACT } from "../../lib/query/metric.ts";
import { shownTypes } from "./live.ts";
import { LOWER_BOUND } from "./live_json.ts";
import type { LiveStreamJson, StreamAccuracy } from "./live_stream_json.ts";
import { int64Json, timestampJson } from "./proto_json.ts";

const SECOND_MS = 1_000;

/** What a frame is of. */
export interface FrameOrder {
  /** The window ends before this second begins. */
  readonly endSecond: number;
  readonly windowSeconds: number;
  /** The property as it was named; null = no top values were asked for. */
  readonly topName: string | null;
  readonly topLimit: number;
  /** Partitions of the log. */
  readonly partitions: number;
}

/** `window_id` of the window of so many seconds that ends at this second. */
export function windowIdOf(windowSeconds: number, endSecond: number): string {
  return `${windowSeconds}s-${endSecond}`;
}

/** The frame. */
export function makeFrame(tally: LiveTally, reach: LiveReach, order: FrameOrder): LiveStreamJson {
  const { endSecond, windowSeconds, topName } = order;
  const window = tally.window(endSecond, windowSeconds);
  const startSecond = endSecond - windowSeconds;
  const lack = lackOf(tally, window, reach, order);
  const knownMs = Math.max(window.knownFromSecond * SECOND_MS, window.past?.lack.knownSinceMs ?? 0);
  const isKnown = knownMs <= startSecond * SECOND_MS;
  const counts = window.typesWhole && !window.past?.lack.projectsLeftOut ? EXACT : LOWER_BOUND;
  const { users } = window;
  return {
    metrics: metricsOf(window, order, (endSecond * SECOND_MS - knownMs) / SECOND_MS),
    timestamp: time(endSecond),
    window_id: windowIdOf(windowSeconds, endSecond),
    window_seconds: windowSeconds,
    window_start: time(startSecond),
    users_since: time(window.usersFromSecond),
    complete_until: timestampJson(lack.completeUntilMs),
    complete: isKnown && lack.missing.length + lack.behind.length + lack.gaps.length === 0 &&
      !window.past?.lack.projectsLeftOut,
    missing_partitions: [...lack.missing],
    behind_partitions: [...lack.behind],
    gaps: lack.gaps.map(({ partition, fromOffset, toOffset }) => ({
      partition,
      from_offset: int64Json(fromOffset),
      to_offset: int64Json(toOffset),
    })),
    known_since: timestampJson(knownMs),
    accuracy: {
      events: counts,
      events_per_second: counts,
      active_users: !window.usersWhole || counts !== EXACT
        ? LOWER_BOUND
        : users.exact
        ? EXACT
        : DISTINCT_ESTIMATE,
      events_by_type: counts,
      ...(window.top === null ? {} : { top_values: topAccuracy(window.top) }),
    },
    ...(window.top === null || topName === null
      ? {}
      : { top: topJson(window.top, topName, order, tally.startSecond) }),
  };
}

function lackOf(
  tally: LiveTally,
  { past }: TallyWindow,
  reach: LiveReach,
  { endSecond, windowSeconds, partitions }: FrameOrder,
): WindowReach {
  if (past !== null && tally.isOfPublished) {
    return { ...past.lack, completeUntilMs: past.completeUntilMs };
  }
  const own = reach.window(endSecond - windowSeconds, endSecond - 1, partitions);
  return { ...own, gaps: [...past?.lack.gaps ?? [], ...own.gaps] };
}

type StreamMetric = LiveStreamJson["metrics"][number];

function metricsOf(window: TallyWindow, order: FrameOrder, seconds: number): StreamMetric[] {
  const timestamp = time(order.endSecond);
  const metric = (
    name: StreamMetric["name"],
    value: number,
    unit: string,
    labels: Record<string, string> = {},
  ) => ({ name, value, unit, timestamp, labels });
  const { topName: property } = order;
  const top = property === null ? [] : window.top?.values.top(order.topLimit) ?? [];
  return [
    metric("events", window.events, "events"),
    metric("events_per_second", seconds > 0 ? window.events / seconds : 0, "events/s"),
    metric("active_users", window.users.estimate(), "users"),
    ...shownTypes(window.byType).map(([type, events]) =>
      metric("events_by_type", events, "events", { event_type: type })
    ),
    ...top.map(([value, events]) =>
      metric("top_values", events, "events", { property: property!, value })
    ),
  ];
}

function topJson(
  { values, without, cut, fromSecond }: WindowTop,
  property: string,
  { topLimit }: FrameOrder,
  startSecond: number,
): LiveStreamJson["top"] {
  const listed = values.top(topLimit).reduce((sum, [, events]) => sum + events, 0);
  return {
    property,
    since: time(Math.max(fromSecond, startSecond)),
    events: values.total,
    other_events: values.total - listed,
    events_without: without,
    error_max: values.errorMax,
    values_cut: cut,
  };
}

function topAccuracy({ values, cut }: WindowTop): StreamAccuracy {
  return values.errorMax === 0 && cut === 0 ? EXACT : LOWER_BOUND;
}

function time(second: number): string {
  return timestampJson(second * SECOND_MS);
}
