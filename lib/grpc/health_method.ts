/** The method Health of the services of `analytics.v1`. */
import type { HealthReport } from "../http/operational_routes.ts";
import { v1Health } from "../http/v1_health.ts";
import type { UnaryHandler } from "./call.ts";
import { durationOf, timestampOf } from "./well_known.ts";

/** Answers HealthResponse, also when the role is not well. `name`: of the role in `services`. */
export function healthMethod(
  name: string,
  health: () => HealthReport,
  now: () => number = Date.now,
): UnaryHandler<unknown, object> {
  return () => {
    const { healthy, status, details, tookMs } = v1Health(health);
    const services = [{ name, healthy, status, response_time: durationOf(tookMs) }];
    return Promise.resolve({ healthy, status, timestamp: timestampOf(now()), details, services });
  };
}

/** The same for the older generation: HealthResponse with a time in unix seconds. */
export function legacyHealthMethod(
  health: () => HealthReport,
  now: () => number = Date.now,
): UnaryHandler<unknown, object> {
  return () => {
    const { healthy, status } = v1Health(health);
    return Promise.resolve({ healthy, status, timestamp: Math.floor(now() / 1_000) });
  };
}
