/**
 * The programs of examples/ as a user runs them, one after the other against one server; and the
 * client library under Node, where that is installed, as one file that `make client` makes.
 */
import assert from "node:assert/strict";
import { AnalyticsClient } from "../../lib/client/mod.ts";
import { withDeadline } from "../support/deadline.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { nodeTest } from "../support/node_test_definition.ts";
import { startServer, type TestServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);
/** Longest run of one program on a busy machine, ms. */
const PROGRAM_MS_MAX = 60_000;

/** What each program has to print, and the events that it has to have stored, by type. */
const EXAMPLES: Record<string, { prints: RegExp[]; stores: Record<string, number> }> = {
  "rest.ts": {
    prints: [
      /^stored [0-9a-f-]{36}\nstored\nstored\nrefused: empty_field at user_id$/m,
      /^3 events of 1 users in 24 hours$/m,
      /^ {2}purchase: 1$/m,
      /^bought: 100.0 %$/m,
    ],
    stores: { page_view: 1, click: 1, purchase: 1 },
  },
  "grpc_unary.ts": {
    prints: [/^serving: true\nstored [0-9a-f-]{36}\nrefused: empty_field at user_event\.action$/m],
    stores: { sign_up: 1 },
  },
  "grpc_batch.ts": {
    prints: [
      /^stored 499$/m,
      /^refused [0-9a-f-]{36}: ApiError: empty_field at custom_event.name/m,
    ],
    stores: { level_done: 499 },
  },
  "grpc_stream.ts": { prints: [/^stored 2000, refused 0$/m], stores: { metric: 2_000 } },
  "live.ts": { prints: [/^(20\S+Z \d+ events, \d+ users\n){3}$/], stores: {} },
  "curl.sh": {
    prints: [
      /^\{"success":true,"message":"event accepted"/m,
      /"message":"2 events accepted"/,
      /"total_events":"2507"/,
      /^event: window$/m,
    ],
    stores: { page_view: 3, click: 1 },
  },
};

/** Runs a program to its end; gives what it printed. Fails when it fails. */
async function run(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const deadline = { what: `${command} ${args.join(" ")}`, deadlineMs: PROGRAM_MS_MAX };
  try {
    const { code, stdout, stderr } = await withDeadline(child.output(), deadline);
    const printed = new TextDecoder().decode(stdout);
    assert.equal(code, 0, `${deadline.what}:\n${printed}${new TextDecoder().decode(stderr)}`);
    return printed;
  } catch (error) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    throw error;
  }
}

/** Where the programs find the server. */
function placesOf(server: TestServer): Record<string, string> {
  return {
    RTA_URL: server.urls.gateway,
    RTA_INGEST_URL: server.urls.ingestion,
    RTA_GRPC_ADDRESS: `127.0.0.1:${grpcPortOf(server)}`,
  };
}

Deno.test("examples/ has the programs that are tested, and no other", () => {
  const files = [...Deno.readDirSync(new URL("examples/", ROOT))].map(({ name }) => name);
  assert.deepEqual(files.sort(), Object.keys(EXAMPLES).sort());
});

Deno.test("examples/ run, print what they say and store their events", async () => {
  await using server = await startServer();
  const client = new AnalyticsClient({ url: server.urls.gateway });
  const expected: Record<string, number> = {};
  for (const [name, { prints, stores }] of Object.entries(EXAMPLES)) {
    const printed = name.endsWith(".sh")
      ? await run("bash", [`examples/${name}`], placesOf(server))
      : await run(
        Deno.execPath(),
        ["run", "--frozen", "--no-check", "-A", `examples/${name}`],
        placesOf(server),
      );
    for (const pattern of prints) assert.match(printed, pattern, name);
    for (const [type, count] of Object.entries(stores)) {
      expected[type] = (expected[type] ?? 0) + count;
    }
    const { events_by_type } = await client.summary();
    assert.deepEqual({ ...events_by_type }, expected, name);
  }
});

const NODE_PROGRAM = `
import { AnalyticsClient, userEvent } from "./client.js";

const { RTA_URL: url, RTA_INGEST_URL: ingestUrl } = process.env;
const client = new AnalyticsClient({ url, ingestUrl });
const many = Array.from({ length: 2_000 }, (_, i) => (
  { user_id: \`u\${i % 7}\`, event_type: "page_view", properties: { i } }
));
const outcomes = await client.trackBatch([
  ...many,
  userEvent({ user_id: "ada" }, { action: "click" }),
  { user_id: "", event_type: "page_view" },
]);
const refused = outcomes.flatMap(({ error }) => error === null ? [] : [error.code, error.field]);
const { events_by_type } = await client.summary();
let lines = 0;
for await (const line of client.exportEvents()) lines += line === "" ? 0 : 1;
let windows = 0;
for await (const { event } of client.live()) if (event === "window" && ++windows === 2) break;
await client.close();
const failed = await client.timeSeries({ metric: "nope" }).catch(({ code, field }) => [code, field]);
console.log(JSON.stringify({ refused, events_by_type, lines, windows, failed }));
`;

Deno.test(nodeTest("lib/client works under Node", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "rta-client-node-" });
  await using server = await startServer();
  try {
    await run("make", ["--silent", "client", `CLIENT_JS=${folder}/client.js`]);
    Deno.writeTextFileSync(`${folder}/program.mjs`, NODE_PROGRAM);
    Deno.writeTextFileSync(`${folder}/package.json`, '{ "type": "module" }');
    const told = JSON.parse(await run("node", [`${folder}/program.mjs`], placesOf(server)));
    assert.deepEqual(told, {
      refused: ["empty_field", "user_id"],
      events_by_type: { page_view: 2_000, click: 1 },
      lines: 2_001,
      windows: 2,
      failed: ["invalid_parameter", "metric"],
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}));
