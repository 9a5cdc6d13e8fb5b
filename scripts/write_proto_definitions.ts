/**
 * Writes proto/definitions.json: what the files of proto/ define, as protobufjs reads it. The platform
 * and the client library import it, so neither needs the files themselves, and the library can be
 * bundled.
 */
// Gives protobufjs the files of google/protobuf/ that it lacks.
import "@grpc/proto-loader";
import protobuf from "protobufjs";

const FOLDER = new URL("../proto/", import.meta.url);
/** Files that define what is served, and what travels beside answers. */
const FILES = [
  "analytics/v1/analytics.proto",
  "analytics/analytics.proto",
  "google/rpc/status.proto",
  "google/rpc/error_details.proto",
  "grpc/health/v1/health.proto",
];

/** The text of the file. */
export function protoDefinitions(): string {
  const root = new protobuf.Root();
  // Those of google/protobuf/ are known by name.
  root.resolvePath = (_, target) =>
    protobuf.common.get(target) !== null ? target : new URL(target, FOLDER).pathname;
  root.loadSync(FILES, { keepCase: true });
  root.resolveAll();
  return `${JSON.stringify(root.toJSON(), null, 2)}\n`;
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("definitions.json", FOLDER), protoDefinitions());
}
