/** The ports of a server, so that one that is started after it is found at the same addresses. */
import type { TestServer } from "./server.ts";

/** Settings that have a server listen where `server` does, or did. */
export function samePorts(server: TestServer): Record<string, string> {
  const ready = server.entries.find((entry) => entry.msg === "ready")!;
  const grpcPorts = ready.grpcPorts as Record<string, number>;
  return Object.fromEntries([
    ...Object.entries(server.urls).map(([role, url]) => [
      `RTA_${role.toUpperCase()}_PORT`,
      new URL(url).port,
    ]),
    ...Object.entries(grpcPorts).map(([role, port]) => [
      `RTA_${role.toUpperCase()}_GRPC_PORT`,
      String(port),
    ]),
  ]);
}
