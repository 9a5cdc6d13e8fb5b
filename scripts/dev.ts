/**
 * `make dev`: runs `rta serve` and starts it again whenever a source file changes.
 *
 * Not `deno run --watch`, which starts anew within one process: DuckDB's native handles would stay
 * open, and a second handle on one file could corrupt it. Here the server drains and ends first.
 */
import { join } from "node:path";
import { rtaCommand } from "../services/supervise.ts";

/** Editors write a file in several steps; changes this close together are one, ms. */
const settleMs = 150;

const root = join(import.meta.dirname!, "..");
const watched = ["lib", "services", "workers", "deno.json"].map((name) => join(root, name));

/** Resolves with the path of a source file when files have changed and settled. */
async function nextChange(events: AsyncIterator<Deno.FsEvent>): Promise<string> {
  for (;;) {
    const { value } = await events.next();
    const path = (value as Deno.FsEvent).paths.find((path) => /(?<!_test)\.(ts|json)$/.test(path));
    if (path === undefined || (value as Deno.FsEvent).kind === "access") continue;
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    return path;
  }
}

/** Runs and restarts until SIGINT or SIGTERM; returns the last server's exit code. */
async function dev(): Promise<number> {
  const [program, ...args] = rtaCommand("serve");
  const stopped = Promise.withResolvers<"stopped">();
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const name of signals) Deno.addSignalListener(name, () => stopped.resolve("stopped"));
  for (;;) {
    // A watcher of its own for each life: what changed while the last one ended is in this one.
    using watcher = Deno.watchFs(watched);
    const events = watcher[Symbol.asyncIterator]();
    const server = new Deno.Command(program, { args, cwd: root, stdin: "null" }).spawn();
    const changed = nextChange(events);
    const ended = server.status.then(({ code }) => ({ code }));
    const what = await Promise.race([stopped.promise, changed, ended]);
    if (typeof what === "object") {
      if (what.code === 0) return 0; // stopped from outside: `make stop`
      console.error(`The server ended with ${what.code}; waiting for a change`);
      if (await Promise.race([stopped.promise, changed]) === "stopped") return what.code;
      continue;
    }
    server.kill("SIGTERM");
    const { code } = await ended;
    if (what === "stopped") return code;
    console.error(`${what.slice(root.length + 1)} changed`);
  }
}

if (import.meta.main) Deno.exit(await dev());
