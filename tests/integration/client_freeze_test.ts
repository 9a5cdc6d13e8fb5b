/**
 * The gRPC client against a platform that freezes (SIGSTOP): connections stay open and nothing
 * answers. Pings find that out, and what was not answered is sent again.
 */
import assert from "node:assert/strict";
import { GrpcAnalyticsClient } from "../../lib/client/grpc.ts";
import { userEvent } from "../../lib/client/mod.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { startServer } from "../support/server.ts";
import { readStoredRows } from "../support/stored_rows.ts";

const EVENTS = 300;

Deno.test("stream() leaves a connection that is frozen, and stores each event once", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-client-" });
  await using server = await startServer({ dataFolder });
  try {
    let retries = 0;
    using client = new GrpcAnalyticsClient({
      ...{ address: `127.0.0.1:${grpcPortOf(server)}`, poolSize: 1 },
      ...{ keepaliveMs: 100, keepaliveTimeoutMs: 400 },
      onRetry: () => void retries++,
    });
    const stream = client.stream();
    const sent = [];
    for (let i = 0; i < EVENTS; i++) {
      if (i === EVENTS / 2) {
        await sent[0].stored;
        server.signal("SIGSTOP");
      }
      sent.push(await stream.send(userEvent({ user_id: `u${i % 9}` }, { action: "click" })));
    }
    await waitUntil(() => retries > 0, { what: "the client leaves the connection" });
    server.signal("SIGCONT");
    const totals = await withDeadline(stream.close(), { what: "the end", deadlineMs: 60_000 });
    assert.deepEqual(totals, { stored: EVENTS, refused: 0 });
    client.close();
    assert.equal(await server.stop(), 0);
    const rows = await readStoredRows(dataFolder);
    assert.deepEqual(rows.map(({ id }) => id).sort(), sent.map(({ id }) => id).sort());
  } finally {
    server.signal("SIGCONT");
    await server[Symbol.asyncDispose]();
    Deno.removeSync(dataFolder, { recursive: true });
  }
});
