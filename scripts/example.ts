/**
 * `make example`: six months of a web shop's clicks, loaded and asked about.
 *
 * It does what a user would: fetches the file, loads it with `rta import`, and asks over HTTP. If
 * nothing runs on the data folder, it starts a server for the time of the example. A second run
 * adds nothing, since the import knows how far it got.
 */
import { readConfig } from "../lib/config/config.ts";
import { serveCommand } from "../services/supervise.ts";
import { fetchClickstream } from "./fetch_clickstream.ts";
import { isReady, urlOf } from "./local_server.ts";

/** What the file covers, and its busiest week, in UTC. */
const wholeTime = { from: "2024-01-01T00:00:00Z", to: "2024-07-01T00:00:00Z" };
const busyWeek = { from: "2024-02-26T00:00:00Z", to: "2024-03-04T00:00:00Z" };

const readyMsMax = 20_000;
const processedMsMax = 60_000;
const pollMs = 50;

/** The answers that are printed; int64 is text in proto JSON. */
interface Summary {
  total_events: string;
  unique_users: string;
  sessions: string;
  events_by_type: Record<string, string>;
  accuracy: Record<string, string>;
}
interface Series {
  series: { timestamp: string; value: number }[];
}

const config = readConfig(Deno.env.toObject());

/** Loads the file and prints what it holds; returns the exit code of the import. */
async function example(): Promise<number> {
  const file = await fetchClickstream();
  const server = await isReady(config) ? null : await startServer();
  try {
    const code = await rta(["import", file, "--map", "event_type=event"]);
    if (code !== 0) return code;
    await until(async () => await eventsWaiting() === 0, processedMsMax, "processing");
    printSummary(await ask<Summary>("summary", wholeTime));
    printHours(await ask<Series>("timeseries", busyWeek, { metric: "events" }));
    return 0;
  } finally {
    server?.kill("SIGTERM");
    await server?.status;
  }
}

/** Runs one command of the command line in this terminal. */
async function rta(args: string[]): Promise<number> {
  const [program, ...serve] = serveCommand();
  const command = new Deno.Command(program, { args: [...serve.slice(0, -1), ...args] });
  return (await command.spawn().status).code;
}

/** Starts a server of which only complaints are shown, and waits until it takes requests. */
async function startServer(): Promise<Deno.ChildProcess> {
  const [program, ...args] = serveCommand();
  const server = new Deno.Command(program, { args, stdin: "null", stdout: "null" }).spawn();
  let ended = false;
  server.status.then(() => ended = true);
  await until(async () => ended || await isReady(config), readyMsMax, "the start of a server");
  if (ended) throw new Error("the server did not start");
  return server;
}

/** Events in the log that no shard has processed yet. */
async function eventsWaiting(): Promise<number> {
  const response = await fetch(`${urlOf(config, "consumer")}/lag`);
  const { lag } = await response.json() as { lag: Record<string, Record<string, number>> };
  return Object.values(lag).flatMap((topic) => Object.values(topic)).reduce((a, b) => a + b, 0);
}

async function ask<T>(
  question: string,
  { from, to }: typeof wholeTime,
  parameters: Record<string, string> = {},
): Promise<T> {
  const search = new URLSearchParams({
    "time_range.start": from,
    "time_range.end": to,
    ...(question === "timeseries" ? { granularity: "hour" } : {}),
    ...parameters,
  });
  const url = `${urlOf(config, "gateway")}/v1/analytics/${question}?${search}`;
  console.log(`\ncurl '${url}'`);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return await response.json();
}

function printSummary(summary: Summary): void {
  for (const name of ["total_events", "unique_users", "sessions"] as const) {
    const number = Number(summary[name]).toLocaleString("en");
    console.log(`  ${name.padEnd(18)} ${number.padStart(8)}  ${summary.accuracy[name]}`);
  }
  const types = Object.entries(summary.events_by_type).sort(([, a], [, b]) => +b - +a);
  for (const [type, count] of types) {
    const bar = "█".repeat(Math.ceil(40 * +count / +types[0][1]));
    console.log(`    ${type.padEnd(18)} ${Number(count).toLocaleString("en").padStart(6)}  ${bar}`);
  }
}

/** One line a day, one block an hour. */
function printHours({ series }: Series): void {
  const blocks = " ▁▂▃▄▅▆▇█";
  const most = Math.max(...series.map(({ value }) => value));
  const days = Map.groupBy(series, ({ timestamp }) => timestamp.slice(0, 10));
  for (const [day, hours] of days) {
    const total = hours.reduce((sum, { value }) => sum + value, 0);
    const line = hours.map(({ value }) => blocks[Math.ceil(8 * value / most)]).join("");
    console.log(`  ${day}  ${String(total).padStart(5)}  |${line}|`);
  }
  console.log(`  hours 0 to 23 UTC; the highest stands for ${most} events in an hour`);
}

/** Asks again until the condition holds; throws when it takes too long. */
async function until(
  condition: () => Promise<boolean>,
  msMax: number,
  what: string,
): Promise<void> {
  const giveUpAt = performance.now() + msMax;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`${what} takes more than ${msMax / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

if (import.meta.main) Deno.exit(await example());
