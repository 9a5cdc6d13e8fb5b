/**
 * What `make` does to the server of this folder: stop, clean, health, ready, lag, urls.
 *
 * Whether it runs is read from the locks that the platform and its restart loop hold in the data
 * folder, not from process ids, which a crash leaves behind and the system gives to others.
 */
import { isFileLocked } from "../lib/data_folder/data_folder.ts";
import { join, relative, resolve } from "node:path";
import { type Config, ConfigError, readConfig, type Role } from "../lib/config/config.ts";
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from "../lib/config/exit_codes.ts";

/** Longest `stop` waits for the end; the platform drains for a few seconds, ms. */
const stopMsMax = 15_000;
const pollMs = 50;
const requestMsMax = 2_000;

/** A process that holds the data folder: its lock file, and the file with its id. */
const holders = [
  { name: "restart loop", lock: "supervisor.pid", pid: "supervisor.pid" },
  { name: "server", lock: "rta.lock", pid: "rta.pid" },
];

/** Asks whatever runs on the folder to end and waits for it. True when nothing runs any more. */
export async function stop(dataFolder: string, say = console.log): Promise<boolean> {
  const running = runningOn(dataFolder);
  if (running.length === 0) {
    say(`rta does not run on ${dataFolder}`);
    return true;
  }
  // The loop passes the signal on; a server without a loop gets it itself.
  const { name, pid } = running[0];
  if (pid === null) {
    say(`The ${name} on ${dataFolder} is just starting or ending. Try again.`);
    return false;
  }
  say(`Stopping the ${name}, process ${pid} …`);
  Deno.kill(pid, "SIGTERM");
  const giveUpAt = performance.now() + stopMsMax;
  while (runningOn(dataFolder).length > 0) {
    if (performance.now() > giveUpAt) {
      say(`Process ${pid} still runs after ${stopMsMax / 1000} s. Look at: make logs`);
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  say("Stopped.");
  return true;
}

/** Removes the data folder and says what went. False, with the reason said, when it must not. */
export function clean(dataFolder: string, say = console.log): boolean {
  const folder = resolve(dataFolder);
  const running = runningOn(folder);
  if (running.length > 0) {
    say(`rta runs on ${dataFolder} (process ${running[0].pid}). First: make stop`);
    return false;
  }
  const home = Deno.env.get("HOME");
  const precious = [Deno.cwd(), ...(home === undefined ? [] : [home])];
  if (precious.some((path) => !relative(folder, path).startsWith(".."))) {
    say(`${dataFolder} holds more than rta's data; it is not removed. Look at RTA_DATA.`);
    return false;
  }
  const { files, bytes } = weigh(folder);
  if (files === 0) {
    say(`Nothing to remove: ${dataFolder} holds no files.`);
    return true;
  }
  Deno.removeSync(folder, { recursive: true });
  say(`Removed ${dataFolder}: ${files} files, ${(bytes / 2 ** 20).toFixed(1)} MiB.`);
  return true;
}

/** Asks /health or /ready of every role and prints the answers. True when all are well. */
export async function probe(
  config: Pick<Config, "host" | "ports" | "roles">,
  path: "/health" | "/ready",
  say = console.log,
): Promise<boolean> {
  const answers = await Promise.all([...config.roles].map(async (role) => {
    const url = urlOf(config, role) + path;
    const startedAt = performance.now();
    const { well, text } = await ask(url);
    const ms = Math.round(performance.now() - startedAt);
    say(`${well ? "ok  " : "FAIL"} ${role.padEnd(10)} ${url}  ${text}  ${ms} ms`);
    return well;
  }));
  return answers.every((well) => well);
}

/** Prints how many events of each partition wait to be processed. False when nobody answers. */
export async function lag(
  config: Pick<Config, "host" | "ports">,
  say = console.log,
): Promise<boolean> {
  const url = `${urlOf(config, "consumer")}/lag`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(requestMsMax) });
    const { lag } = await response.json() as { lag: Record<string, Record<string, number>> };
    for (const [topic, partitions] of Object.entries(lag)) {
      const total = Object.values(partitions).reduce((sum, events) => sum + events, 0);
      say(`${topic}: ${total} events wait`);
      for (const [partition, events] of Object.entries(partitions)) {
        say(`  partition ${partition.padStart(3)} ${String(events).padStart(12)}`);
      }
    }
    return response.ok;
  } catch (error) {
    say(`${url}  no answer (${(error as Error).name})`);
    return false;
  }
}

/** Gives the addresses of every role, where the data lies, and a first request. */
export function urls(config: Pick<Config, "host" | "ports" | "roles" | "dataFolder">): string {
  const about: Record<Role, string> = {
    gateway: "/v1/…  the JSON API, described at /docs",
    ingestion: "/events  /events/async  /events/batch",
    consumer: "/stats  /lag",
    analytics: "/analytics/summary",
    metrics: "/metrics",
  };
  const lines = [...config.roles].map((role) =>
    `${role.padEnd(10)} ${urlOf(config, role).padEnd(24)} ${about[role]}`
  );
  const event = `'{"user_id":"ada","event_type":"page_view"}'`;
  const example = [
    `curl -H 'content-type: application/json' -d ${event} ${urlOf(config, "ingestion")}/events`,
    `curl ${urlOf(config, "analytics")}/analytics/summary`,
  ];
  return [...lines, `data       ${resolve(config.dataFolder)}`, "", ...example].join("\n");
}

/** The processes that hold the folder, the restart loop first; `pid` null = not noted yet. */
function runningOn(dataFolder: string): { name: string; pid: number | null }[] {
  return holders.filter(({ lock }) => isFileLocked(join(dataFolder, lock))).map((
    { name, pid },
  ) => ({
    name,
    pid: readPid(join(dataFolder, pid)),
  }));
}

function readPid(path: string): number | null {
  try {
    const pid = Number(Deno.readTextFileSync(path));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Number and size of all files below a folder; none when it is missing. */
function weigh(folder: string): { files: number; bytes: number } {
  const sum = { files: 0, bytes: 0 };
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return sum;
    throw error;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const inside = entry.isDirectory ? weigh(path) : { files: 1, bytes: Deno.lstatSync(path).size };
    sum.files += inside.files;
    sum.bytes += inside.bytes;
  }
  return sum;
}

async function ask(url: string): Promise<{ well: boolean; text: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(requestMsMax) });
    const body = await response.json();
    const status = body.ready === undefined ? body.status : `ready: ${body.ready}`;
    const well = response.ok && body.ready !== false && body.status !== "unhealthy";
    return { well, text: `${response.status} ${status}` };
  } catch (error) {
    return { well: false, text: `no answer (${(error as Error).name})` };
  }
}

/** Where a role answers, as seen from this machine. */
function urlOf({ host, ports }: Pick<Config, "host" | "ports">, role: Role): string {
  const near = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${near.includes(":") ? `[${near}]` : near}:${ports[role]}`;
}

async function main(command: string): Promise<number> {
  const config = readConfig(Deno.env.toObject());
  switch (command) {
    case "stop":
      return await stop(config.dataFolder) ? EXIT_OK : EXIT_FAILED;
    case "clean":
      return clean(config.dataFolder) ? EXIT_OK : EXIT_FAILED;
    case "health":
    case "ready":
      return await probe(config, `/${command}`) ? EXIT_OK : EXIT_FAILED;
    case "lag":
      return await lag(config) ? EXIT_OK : EXIT_FAILED;
    case "urls":
      console.log(urls(config));
      return EXIT_OK;
    default:
      console.error("Give one of: stop clean health ready lag urls");
      return EXIT_CONFIG;
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args[0] ?? ""));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    Deno.exit(EXIT_CONFIG);
  }
}
