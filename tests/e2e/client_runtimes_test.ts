/** The client library on the runtimes beside Deno, as the files that `make client` makes. */
import assert from "node:assert/strict";
import { placesOf } from "../support/grpc_client.ts";
import { bun, node } from "../support/js_runtimes.ts";
import { printedBy } from "../support/printed_by.ts";
import { startServer } from "../support/server.ts";

const PROGRAM = `
import { AnalyticsClient, userEvent } from "./client.js";
import { GrpcAnalyticsClient } from "./client_grpc.js";

const { RTA_URL: url, RTA_INGEST_URL: ingestUrl, RTA_GRPC_ADDRESS: address } = process.env;
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

const grpc = new GrpcAnalyticsClient({ address });
const isServing = await grpc.isServing();
const scroll = (i) => userEvent({ user_id: \`u\${i % 7}\` }, { action: "scroll" });
await grpc.track(scroll(0));
const called = await grpc.trackBatch([scroll(1), userEvent({ user_id: "" }, { action: "scroll" })]);
const stream = grpc.stream({ batchSize: 100, flushIntervalMs: 10 });
for (let i = 0; i < 3_000; i++) await stream.send(scroll(i));
const streamed = await stream.close();
grpc.close();
const away = new GrpcAnalyticsClient({ address: "127.0.0.1:1", deadlineMs: 300 });
const unreached = await away.track(scroll(0)).catch(({ code }) => code);
away.close();

const { events_by_type } = await client.summary();
let lines = 0;
for await (const line of client.exportEvents()) lines += line === "" ? 0 : 1;
let windows = 0;
for await (const { event } of client.live()) if (event === "window" && ++windows === 2) break;
await client.close();
const failed = await client.timeSeries({ metric: "nope" }).catch(({ code, field }) => [code, field]);
console.log(JSON.stringify({
  ...{ refused, events_by_type, lines, windows, failed },
  ...{ isServing, called: called.map(({ error }) => error?.code ?? null), streamed, unreached },
}));
`;

for (const [name, runtime] of [["Node", await node()], ["Bun", await bun()]] as const) {
  Deno.test(runtime.test(`lib/client works under ${name}, by REST and gRPC`, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "rta-client-" });
    await using server = await startServer();
    try {
      await printedBy("make", ["--silent", "client", `CLIENT_JS=${folder}/client.js`]);
      Deno.writeTextFileSync(`${folder}/program.mjs`, PROGRAM);
      Deno.writeTextFileSync(`${folder}/package.json`, '{ "type": "module" }');
      const place = { cwd: folder, env: placesOf(server) };
      assert.deepEqual(JSON.parse(await printedBy(runtime.path, ["program.mjs"], place)), {
        refused: ["empty_field", "user_id"],
        events_by_type: { page_view: 2_000, click: 1, scroll: 3_002 },
        lines: 5_003,
        windows: 2,
        failed: ["invalid_parameter", "metric"],
        isServing: true,
        called: [null, "empty_field"],
        streamed: { stored: 3_000, refused: 0 },
        unreached: "network",
      });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }));
}
