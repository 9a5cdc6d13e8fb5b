/**
 * `rta query` as people run it: every command of docs/ANALYTICS.md as a process of its own, against a
 * real server with some events.
 */
import assert from "node:assert/strict";
import { ROOT } from "../tidy/source_tree.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";

const MINUTE_MS = 60_000;
/** Ends a stream, which would go on until Ctrl-C. */
const LIVE_COUNT = "--count 2";

/** The commands of the section on the command line. */
function documentedCommands(): string[] {
  const text = Deno.readTextFileSync(`${ROOT}/docs/ANALYTICS.md`);
  const section = text.split(/^## /m).find((part) => part.startsWith("On the command line"));
  const block = /^```sh\n([\s\S]*?)^```$/m.exec(section ?? "");
  return block![1].trim().split("\n");
}

/** A shop's last half hour: all look and sign up, some buy. */
async function sendEvents(server: TestServer): Promise<void> {
  const nowMs = Date.now();
  const lines = ["ada", "bob", "cyd", "dee"].flatMap((user, index) => {
    const properties = { country: index % 2 ? "DE" : "FR", channel: "ads", page: "/", load_ms: 70 };
    return ["view", "signup", ...(index > 0 ? ["purchase"] : [])].map((type, step) => ({
      user_id: user,
      event_type: type,
      timestamp: nowMs - (30 - 5 * step) * MINUTE_MS,
      ...(type === "purchase" ? { amount: 120 } : {}),
      properties: { ...properties, plan: "pro" },
    }));
  });
  const response = await fetch(`${server.urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.map((line) => JSON.stringify(line)).join("\n"),
  });
  assert.equal((await response.json()).processed_count, lines.length);
  await waitUntilCounted(server.urls.gateway);
}

/** Runs a command line in a folder; gives its code and what it wrote. */
async function run(line: string, gateway: string, folder: string) {
  const rta = `${Deno.execPath()} run -A ${ROOT}/services/main.ts`;
  const command = `${line.replace(/^rta /, `${rta} `)} --url ${gateway}`;
  const bash = new Deno.Command("bash", { args: ["-c", command], cwd: folder, stdin: "null" });
  const { code, stdout, stderr } = await bash.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("every rta query of docs/ANALYTICS.md answers", async () => {
  const server = await startServer();
  const folder = Deno.makeTempDirSync();
  try {
    await sendEvents(server);
    const steps = [{ event_type: "view" }, { event_type: "purchase" }];
    Deno.writeTextFileSync(`${folder}/funnel.json`, JSON.stringify({ steps }));
    const outputs = new Map<string, string>();
    for (const line of documentedCommands()) {
      const isLive = line.startsWith("rta query live");
      const { code, out, err } = await run(
        isLive ? `${line} ${LIVE_COUNT}` : line,
        server.urls.gateway,
        folder,
      );
      assert.equal(code, 0, `${line}: ${err}`);
      outputs.set(line.split(" ").slice(2, 4).join(" "), out);
    }
    assert.match(outputs.get("summary --from")!, /^ {2}purchase +3 +27\.3 %$/m);
    assert.match(outputs.get("breakdown --by")!, /^ {2}\/ +70 +/m);
    assert.match(outputs.get("funnel --step")!, /^ {2}2 purchase +3 +75\.0 %/m);
    assert.match(outputs.get("funnel --body")!, /^ {2}ada +/m);
    assert.match(outputs.get("retention --start")!, / 4 +\*?75\.0 %$/m);
    assert.match(outputs.get("paths --after")!, /^ {2}purchase +3 +75\.0 %/m);
    assert.match(outputs.get("user ada")!, /^User ada$/m);
    const windows = outputs.get("live --window")!.trim().split("\n");
    assert.equal(windows.length, 2);
    for (const window of windows) assert.match(window, /^\d\d:\d\d:\d\d +\d+ events +\S+\/s/);
  } finally {
    assert.equal(await server.stop(), 0);
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("rta query live --events shows events as they come, as JSON", async () => {
  const server = await startServer();
  try {
    const asked = run("rta query live --events --json --count 3", server.urls.gateway, ROOT);
    let ended = false;
    void asked.then(() => ended = true);
    // The stream is open at a time that nobody tells: events go on until it has shown its number.
    for (let sent = 0; !ended; sent++) {
      const body = JSON.stringify({ user_id: "ada", event_type: `t${sent}`, properties: { n: 1 } });
      const response = await fetch(`${server.urls.ingestion}/events`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      await response.body?.cancel();
    }
    const { code, out, err } = await asked;
    assert.equal(code, 0, err);
    const events = out.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(events.map(({ user_id, properties }) => [user_id, properties]), [
      ["ada", { n: "1" }],
      ["ada", { n: "1" }],
      ["ada", { n: "1" }],
    ]);
    assert.equal(new Set(events.map(({ type }) => type)).size, 3);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});
