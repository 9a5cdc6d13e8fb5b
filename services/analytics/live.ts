/**
 * Live answers of the analytics role, free of any transport: what was counted in the last seconds,
 * from the rollup changes that the shards publish once a second (lib/live), without asking a shard.
 *
 * An answer says what it lacks. `complete` is true when every partition was heard of in the last
 * seconds, is not far behind its log, and no change of the window is missing.
 */

import {
  FILTER_TYPES_MAX,
  LIVE_TYPES_SHOWN_MAX,
  LIVE_WINDOW_SECONDS_DEFAULT,
  LIVE_WINDOW_SECONDS_MAX,
} from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { LiveAnswer, LiveQuestion } from "../../lib/live/live_window.ts";
import { DISTINCT_ESTIMATE, EXACT } from "../../lib/query/metric.ts";
import { OTHER_TYPES } from "../../lib/query/summary.ts";
import { type LiveJson, LOWER_BOUND } from "./live_json.ts";
import { int64Json, timestampJson, unixSeconds } from "./proto_json.ts";

/** What live answers need from the process they run in. */
export interface LivePorts {
  /** Clock, ms since the epoch. */
  now(): number;
  /** Where the shards' changes are added up, such as a LiveWindow. */
  readonly live: { answer(question: LiveQuestion): LiveAnswer };
}

export interface LiveRequest {
  readonly project: string;
  /** 1 to LIVE_WINDOW_SECONDS_MAX; null = LIVE_WINDOW_SECONDS_DEFAULT. */
  readonly windowSeconds: number | null;
  /** Empty = all. */
  readonly eventTypes: readonly string[];
}

type LiveMetricJson = LiveJson["metrics"][number];

/** `analytics.v1` RealTimeAnalyticsResponse. Throws ProblemError (invalid_parameter). */
export function answerLive(request: LiveRequest, ports: LivePorts): LiveJson {
  const { project, eventTypes } = request;
  const windowSeconds = request.windowSeconds ?? LIVE_WINDOW_SECONDS_DEFAULT;
  if (!(windowSeconds >= 1 && windowSeconds <= LIVE_WINDOW_SECONDS_MAX)) {
    throw refused("window_seconds", `window_seconds must be from 1 to ${LIVE_WINDOW_SECONDS_MAX}`);
  }
  checkTypes(eventTypes);
  const nowMs = ports.now();
  const answer = ports.live.answer({
    project,
    windowSeconds,
    eventTypes: eventTypes.length === 0 ? null : eventTypes,
    nowMs,
  });
  const { lack, users, windowStartMs } = answer;
  const counts = answer.typesWhole && !lack.projectsLeftOut ? EXACT : LOWER_BOUND;
  return {
    metrics: metricsOf(answer),
    timestamp: timestampJson(nowMs),
    window_id: `${windowSeconds}s-${unixSeconds(nowMs)}`,
    window_seconds: windowSeconds,
    window_start: timestampJson(windowStartMs),
    users_since: timestampJson(users.fromSecond * 1_000),
    complete_until: timestampJson(answer.completeUntilMs),
    complete: answer.complete,
    missing_partitions: [...lack.missing],
    behind_partitions: [...lack.behind],
    gaps: lack.gaps.map(({ partition, fromOffset, toOffset }) => ({
      partition,
      from_offset: int64Json(fromOffset),
      to_offset: int64Json(toOffset),
    })),
    known_since: timestampJson(lack.knownSinceMs || windowStartMs),
    accuracy: {
      events: counts,
      events_per_second: counts,
      active_users: !users.whole || counts !== EXACT
        ? LOWER_BOUND
        : users.exact
        ? EXACT
        : DISTINCT_ESTIMATE,
      events_by_type: counts,
    },
  };
}

function metricsOf(answer: LiveAnswer): LiveMetricJson[] {
  const timestamp = timestampJson(answer.newestPartialMs || answer.nowMs);
  const metric = (
    name: LiveMetricJson["name"],
    value: number,
    unit: string,
    labels: Record<string, string> = {},
  ) => ({ name, value, unit, timestamp, labels });
  return [
    metric("events", answer.events, "events"),
    metric("events_per_second", answer.eventsPerSecond, "events/s"),
    metric("active_users", answer.users.count, "users"),
    ...shownTypes(answer.byType).map(([type, events]) =>
      metric("events_by_type", events, "events", { event_type: type })
    ),
  ];
}

/** The largest types; the others, and what is counted as other types already, in one. */
export function shownTypes(byType: LiveAnswer["byType"]): (readonly [string, number])[] {
  const named = byType.filter(([type]) => type !== OTHER_TYPES);
  const shown = named.slice(0, LIVE_TYPES_SHOWN_MAX);
  const rest = [...named.slice(LIVE_TYPES_SHOWN_MAX), ...byType.filter(([t]) => t === OTHER_TYPES)];
  const others = rest.reduce((sum, [, events]) => sum + events, 0);
  return others === 0 ? shown : [...shown, [OTHER_TYPES, others]];
}

/** As with the summary: a category can't be counted, rollups are kept by event type only. */
function checkTypes(types: readonly string[]): void {
  if (types.length > FILTER_TYPES_MAX) {
    throw refused("event_types", `at most ${FILTER_TYPES_MAX} event types can be named`);
  }
  if (types.some((type) => type.startsWith("EVENT_TYPE_"))) {
    const detail = "categories (EVENT_TYPE_...) can't be filtered on here; name event types " +
      "as they were sent, such as page_view or purchase";
    throw refused("event_types", detail);
  }
}

function refused(parameter: string, detail: string): ProblemError {
  return new ProblemError("invalid_parameter", detail, { field: parameter });
}
