/** How a role of a process is: what /health and the methods Health tell. */
import type { Role } from "../lib/config/config.ts";
import type { HealthReport } from "../lib/http/operational_routes.ts";
import type { ConsumerState } from "./consumer/consumer_state.ts";
import type { ShardPool } from "./consumer/shard_pool.ts";
import type { EventAcceptor } from "./ingestion/accept_events.ts";
import type { LogBackend } from "./log_backend.ts";

/** What is looked at; null = the process has no such part. */
export interface RoleHealthParts {
  readonly pool: ShardPool | null;
  readonly consumer: ConsumerState | null;
  readonly acceptor: EventAcceptor | null;
  readonly logKind: LogBackend["kind"];
  /** Why the log takes no events; null = it does. */
  readonly logFailure: string | null;
  /** What is wrong with the key file; null = nothing. */
  readonly keyFailure: string | null;
}

/** The report of one role. */
export function roleHealth(role: Role, parts: RoleHealthParts): HealthReport {
  const { pool, logFailure, keyFailure, logKind } = parts;
  const isReached = logFailure === null && pool?.intake.connected !== false;
  const logStatus = isReached ? "healthy" : "unhealthy";
  const shardsReady = pool === null || pool.ready && pool.awaited.length === 0;
  const needsLog = role === "ingestion" || role === "gateway";
  const status = logStatus === "unhealthy" && needsLog
    ? "unhealthy"
    : logStatus === "unhealthy" || !shardsReady || keyFailure !== null
    ? "degraded"
    : "healthy";
  // What is wrong with it stands in the log: this page is open to everybody.
  const keyFile = keyFailure === null ? {} : { key_file: "broken" };
  return { status, logStatus, details: { log: logKind, ...keyFile, ...detailsOf(role, parts) } };
}

function detailsOf(role: Role, { pool, consumer, acceptor }: RoleHealthParts): object {
  if (role === "ingestion") return acceptor!.stats.snapshot(Date.now());
  if (role !== "consumer") return {};
  const { shards, owned, awaited, intake } = pool!;
  return {
    lag_events: consumer!.totalLag,
    shards,
    partitions: owned,
    awaited_partitions: awaited,
    buffered_bytes: intake.bufferedBytes,
    paused_partitions: intake.paused,
  };
}
