/**
 * gRPC as one process serves it: the services of its roles, together on every port that its roles
 * open, so that clients that know one port only find all of them there.
 */
import type { Config, GrpcRole } from "../lib/config/config.ts";
import type { CallOptions } from "../lib/grpc/call.ts";
import { GrpcServer, type GrpcService } from "../lib/grpc/grpc_server.ts";
import type { ServerTls } from "../lib/http/server_tls.ts";
import type { Logger } from "../lib/telemetry/logger.ts";
import type { Metrics } from "../lib/telemetry/metrics.ts";

export interface GrpcPortsOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly services: readonly GrpcService[];
  /** null = plain text. */
  readonly tls: ServerTls | null;
  /** Lets a call in; throws ProblemError when it may not be made. */
  readonly admit: CallOptions["admit"];
}

const GRPC_ROLES: readonly GrpcRole[] = ["ingestion", "consumer", "analytics", "metrics"];

/** A process's gRPC server and its ports by role. */
export interface GrpcPorts {
  readonly server: GrpcServer;
  readonly ports: ReadonlyMap<GrpcRole, number>;
}

/** Opens a port for each role of this process that has one. Throws ListenError. */
export async function openGrpcPorts(options: GrpcPortsOptions): Promise<GrpcPorts> {
  const { config, logger, metrics, services, admit, tls } = options;
  const server = new GrpcServer({ logger, metrics, services, admit, tls });
  const ports = new Map<GrpcRole, number>();
  try {
    for (const role of GRPC_ROLES) {
      if (!config.roles.has(role)) continue;
      ports.set(role, await server.listen(config.host, config.grpcPorts[role]));
    }
  } catch (error) {
    await server.stop(0);
    throw error;
  }
  server.setServing(true);
  return { server, ports };
}
