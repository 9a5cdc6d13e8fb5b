/** `make stop`, `clean`, `health`, `ready`, `lag`, `urls` against small stand-ins of the server. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ROLES } from "../lib/config/config.ts";
import { clean, lag, probe, stop, urls } from "./local_server.ts";

/** Runs a test with a data folder of its own; what is said is kept. */
async function inFolder(test: (folder: string, said: string[]) => unknown): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder, []);
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

/** A process that holds the folder's lock as `rta serve` does, and ends when it is told to. */
async function startHolder(folder: string): Promise<Deno.ChildProcess> {
  const dataFolder = new URL("../lib/data_folder/data_folder.ts", import.meta.url).href;
  const script = `import { lockDataFolder } from "${dataFolder}";
    const held = lockDataFolder(${JSON.stringify(folder)});
    Deno.addSignalListener("SIGTERM", () => { held.release(); Deno.exit(0); });
    console.log("up");
    setInterval(() => {}, 1000);`;
  const file = await Deno.makeTempFile({ dir: folder, suffix: ".ts" });
  await Deno.writeTextFile(file, script);
  const holder = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--no-config", file],
    stdout: "piped",
  }).spawn();
  const reader = holder.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return holder;
}

/** A server that gives one fixed answer a path, and the settings that lead to it. */
function serveAnswers(answers: Record<string, unknown>) {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) => Response.json(answers[new URL(request.url).pathname]),
  );
  const { port } = server.addr;
  const ports = { gateway: port, ingestion: port, consumer: port, analytics: port, metrics: port };
  return { server, config: { host: "0.0.0.0", ports, roles: new Set(ROLES) } };
}

Deno.test("stop() ends the server and waits for it when it runs", () =>
  inFolder(async (folder, said) => {
    const holder = await startHolder(folder);
    assert.ok(await stop(folder, (line: string) => said.push(line)));
    assert.equal((await holder.status).code, 0);
    assert.match(said[0], new RegExp(`process ${holder.pid}`));
    assert.equal(said.at(-1), "Stopped.");
  }));

Deno.test("stop() signals nobody when a crash left the process id behind", () =>
  inFolder(async (folder, said) => {
    await Deno.writeTextFile(join(folder, "rta.pid"), `${Deno.pid}\n`);
    await Deno.writeTextFile(join(folder, "rta.lock"), "");
    assert.ok(await stop(folder, (line: string) => said.push(line)));
    assert.match(said[0], /does not run/);
  }));

Deno.test("clean() refuses when the server runs, and removes the folder when it does not", () =>
  inFolder(async (folder, said) => {
    const say = (line: string) => said.push(line);
    const holder = await startHolder(folder);
    assert.equal(clean(folder, say), false);
    assert.match(said[0], /make stop/);
    await stop(folder, () => {});
    await holder.status;
    assert.ok(clean(folder, say));
    assert.match(said[1], /Removed .*: \d+ files, 0\.0 MiB/);
    assert.throws(() => Deno.statSync(folder), Deno.errors.NotFound);
    assert.ok(clean(folder, say), "a second time there is nothing to do");
  }));

Deno.test("clean() refuses when the folder holds more than data", () => {
  const said: string[] = [];
  for (const folder of [".", "..", "/"]) {
    assert.equal(clean(folder, (line) => said.push(line)), false);
  }
  assert.equal(said.length, 3);
});

Deno.test("probe() is true only when every role is well", async () => {
  const { server, config } = serveAnswers({
    "/health": { status: "healthy" },
    "/ready": { ready: false },
  });
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  assert.ok(await probe(config, "/health", say));
  assert.ok(!(await probe(config, "/ready", say)));
  await server.shutdown();
  assert.ok(!(await probe(config, "/health", say)), "nobody answers");
  assert.equal(said.filter((line) => line.startsWith("ok")).length, ROLES.length);
  assert.match(said.at(-1)!, /FAIL .* no answer/);
});

Deno.test("lag() prints every partition, and is false when nobody answers", async () => {
  const { server, config } = serveAnswers({ "/lag": { lag: { events: { "0": 5, "1": 7 } } } });
  const said: string[] = [];
  assert.ok(await lag(config, (line: string) => said.push(line)));
  await server.shutdown();
  assert.equal(said[0], "events: 12 events wait");
  assert.match(said[2], /partition +1 +7/);
  assert.equal(await lag(config, () => {}), false);
});

Deno.test("urls() names every role's address and a first request", () => {
  const ports = { gateway: 1, ingestion: 2, consumer: 3, analytics: 4, metrics: 5 };
  const text = urls({ host: "::1", ports, roles: new Set(ROLES), dataFolder: "data" });
  assert.match(text, /^gateway +http:\/\/\[::1\]:1 /m);
  assert.match(text, /^curl .* http:\/\/\[::1\]:2\/events$/m);
});
