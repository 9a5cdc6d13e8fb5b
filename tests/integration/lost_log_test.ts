/** A log that was lost behind the store's back: said at the start, before a port is open. */
import assert from "node:assert/strict";
import { EXIT_CONFIG } from "../../lib/config/exit_codes.ts";
import { startServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";

Deno.test("serve refuses to start when the log is gone but the store is not", async () => {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-lost-log-" });
  try {
    await using first = await startServer({ dataFolder });
    const response = await fetch(`${first.urls.ingestion}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user_id: "ada", event_type: "view" }),
    });
    assert.equal(response.status, 200, await response.text());
    await waitUntilCounted(first.urls.gateway);
    await first.stop();
    for (const { name } of Deno.readDirSync(dataFolder)) {
      if (name.startsWith("log.sqlite")) Deno.removeSync(`${dataFolder}/${name}`);
    }
    await assert.rejects(
      startServer({ dataFolder }),
      (error: Error) =>
        error.message.includes(`code ${EXIT_CONFIG}`) && error.message.includes("RTA_LOG_CORRUPT"),
    );
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
});
