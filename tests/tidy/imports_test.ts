/** The rules over import directions: bad samples first, then the whole tree. */
import assert from "node:assert/strict";
import { assertNoFindings } from "./finding.ts";
import { importGraph, moduleAddresses } from "./import_graph.ts";
import { wrongDirections } from "./import_rules.ts";
import { isTypeScript, sourceTree } from "./source_tree.ts";

const isWrong = (from: string, to: string) => wrongDirections([{ from, line: 1, to }]).length === 1;

const wrong = [
  ["lib/log/event_log.ts", "workers/protocol.ts"],
  ["lib/log/event_log_test.ts", "services/main.ts"],
  ["lib/event/scan.ts", "lib/log/murmur2.ts"],
  ["lib/event/scan.ts", "node:fs"],
  ["lib/event/scan.ts", "npm:zod"],
  ["lib/sketch/ddsketch.ts", "npm:@datadog/sketches-js"],
  ["lib/store/event_store.ts", "npm:@duckdb/node-api"],
  ["lib/store/event_store.ts", "npm:left-pad"],
  ["lib/store/duckdb/schema.ts", "node:sqlite"],
  ["lib/store/duckdb/schema.ts", "tests/support/rows.ts"],
  ["workers/shard.ts", "services/ingestion/accept_events.ts"],
  ["services/gateway/http.ts", "services/ingestion/accept_events.ts"],
  ["services/supervise.ts", "services/ingestion/accept_events.ts"],
  ["services/gateway/http.ts", "services/main.ts"],
  ["services/gateway/http.ts", "lib/event/scan_test.ts"],
];

const right = [
  ["lib/event/scan.ts", "lib/config/limits.ts"],
  ["lib/event/validate.ts", "npm:zod"],
  ["lib/event/scan_test.ts", "npm:fast-check"],
  ["lib/query/plan.ts", "lib/rollup/cell.ts"],
  ["lib/log/sqlite/log_file.ts", "node:sqlite"],
  ["services/main.ts", "services/ingestion/accept_events.ts"],
  ["services/ingestion/durable_producer.ts", "workers/protocol.ts"],
  ["services/ingestion/http.ts", "services/ingestion/accept_events.ts"],
  ["tests/e2e/serve_test.ts", "services/main.ts"],
];

Deno.test("wrongDirections() finds an import when it goes upwards or sideways", () => {
  for (const [from, to] of wrong) assert.ok(isWrong(from, to), `${from} -> ${to}`);
});

Deno.test("wrongDirections() passes an import when it goes downwards", () => {
  for (const [from, to] of right) assert.ok(!isWrong(from, to), `${from} -> ${to}`);
});

Deno.test("moduleAddresses() finds a module when only a URL names it", () => {
  const text = `// start\nnew Worker(\n  new URL("../../workers/shard.ts", import.meta.url));`;
  assert.deepEqual(moduleAddresses({ path: "lib/log/a.ts", text }), [
    { from: "lib/log/a.ts", line: 3, to: "workers/shard.ts" },
  ]);
});

Deno.test("the tree imports in the directions of the design", async () => {
  const files = sourceTree().filter((file) => isTypeScript(file.path));
  const edges = await importGraph(files);
  assert.ok(edges.length > files.length / 2, "the graph has imports");
  assertNoFindings(wrongDirections(edges));
});
