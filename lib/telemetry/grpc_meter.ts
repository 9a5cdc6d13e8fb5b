/**
 * Counts calls of gRPC: those under way by role, and those ended by method and status. Methods and
 * statuses are closed lists, so the labels are bounded.
 */
import { Counter, Histogram, type Registry } from "prom-client";
import type { Role } from "../config/variables.ts";

export class GrpcMeter {
  readonly #active = new Map<Role, number>();
  readonly #calls: Counter<"service" | "method" | "code">;
  readonly #duration: Histogram<"method">;

  constructor(registry: Registry, buckets: number[]) {
    const registers = [registry];
    this.#calls = new Counter({
      name: "rta_grpc_calls_total",
      help: "Calls of gRPC that ended, by method and status",
      labelNames: ["service", "method", "code"] as const,
      registers,
    });
    this.#duration = new Histogram({
      name: "rta_grpc_call_duration_seconds",
      help: "Time from a call's arrival to its end; of streams, how long they were open",
      labelNames: ["method"] as const,
      buckets,
      registers,
    });
  }

  /** A call to a service of this role begins. */
  begin(role: Role): void {
    this.#active.set(role, (this.#active.get(role) ?? 0) + 1);
  }

  /** It ended. `method`: its path, such as `/analytics.v1.MetricsService/Health`. */
  end(role: Role, method: string, code: string, seconds: number): void {
    this.#active.set(role, this.#active.get(role)! - 1);
    this.#calls.inc({ service: role, method, code });
    this.#duration.observe({ method }, seconds);
  }

  /** Calls under way by role; roles that were never called are not there. */
  get active(): ReadonlyMap<Role, number> {
    return this.#active;
  }
}
