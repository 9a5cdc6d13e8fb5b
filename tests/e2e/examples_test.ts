/**
 * The programs of examples/ as a user runs them, one after the other against one server.
 */
import assert from "node:assert/strict";
import { AnalyticsClient } from "../../lib/client/mod.ts";
import { placesOf } from "../support/grpc_client.ts";
import { printedBy } from "../support/printed_by.ts";
import { startServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);

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
      ? await printedBy("bash", [`examples/${name}`], { env: placesOf(server) })
      : await printedBy(
        Deno.execPath(),
        ["run", "--frozen", "--no-check", "-A", `examples/${name}`],
        { env: placesOf(server) },
      );
    for (const pattern of prints) assert.match(printed, pattern, name);
    for (const [type, count] of Object.entries(stores)) {
      expected[type] = (expected[type] ?? 0) + count;
    }
    const { events_by_type } = await client.summary();
    assert.deepEqual({ ...events_by_type }, expected, name);
  }
});
