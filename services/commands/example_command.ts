/**
 * `rta example` (`make example`): loads six months of a web shop's clicks and shows what the
 * platform says about them.
 *
 *     fetch the data -> find or start a platform -> import -> wait until counted -> ask and print
 *
 * It prints a summary, the hours of the busiest day, a funnel to the purchase and who came back.
 */
import { fetchClickstream } from "../../scripts/fetch_clickstream.ts";
import { ImportError } from "../../lib/import/import_error.ts";
import { type BorrowedPlatform, borrowPlatform } from "./borrowed_platform.ts";
import { type CommandIo, EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE } from "./command_io.ts";
import { importCommand, type ImportCommandOptions } from "./import_command.ts";
import {
  askHourly,
  askSummaryOf,
  hourlyUrl,
  type Question,
  type SeriesPoint,
  type SummaryAnswer,
  summaryUrl,
} from "./platform_answers.ts";
import { QueryClient, QueryError } from "./query_client.ts";
import { funnelKind } from "./query_funnel.ts";
import type { QueryKind, QueryOptions } from "./query_kind.ts";
import { retentionKind } from "./query_retention.ts";
import { tableText } from "./query_table.ts";
import { bar, groupedNumber, percent, textTable } from "./text_table.ts";

/** The days of the data: from its first event's to the one after its last. */
export const EXAMPLE_START = "2024-01-04T00:00:00Z";
export const EXAMPLE_END = "2024-06-30T00:00:00Z";

/** How the columns of the data become events; the others become properties. */
export const EXAMPLE_MAPPING = {
  map: ["event_type=event"],
  set: ["source=retentioneering-ecom"],
} as const satisfies Partial<ImportCommandOptions>;

const EXAMPLE_RANGE = { from: EXAMPLE_START, to: EXAMPLE_END };

/** The way to a purchase, within a week. */
export const EXAMPLE_FUNNEL = {
  ...EXAMPLE_RANGE,
  step: ["product_view", "add_to_cart", "shipping_details", "purchase"],
  window: "7d",
} as const satisfies QueryOptions;

/** Who came back in the months after the first visit. */
export const EXAMPLE_RETENTION = {
  ...EXAMPLE_RANGE,
  granularity: "month",
} as const satisfies QueryOptions;

const countedMsMax = 60_000;
const barWidth = 30;
const hourChars = "2024-01-04T00".length;
const dayChars = "2024-01-04".length;

/** What the command line says. */
export interface ExampleCommandOptions {
  /** Address of the ingestion port; default by RTA_INGESTION_PORT, else 8081 of 127.0.0.1. */
  readonly url?: string;
  /** Address of the gateway's port; default by RTA_GATEWAY_PORT, else 8080 of 127.0.0.1. */
  readonly gateway?: string;
  readonly apiKey?: string;
  /** Data folder of a platform that is started; default RTA_DATA or ./data. */
  readonly data?: string;
  /** The data, if it is at hand; fetched otherwise. */
  readonly file?: string;
  /** See ImportCommandOptions. */
  readonly state?: string;
  /** Prints every hour that has events, not only the busiest day. */
  readonly allHours?: boolean;
}

/** Runs the example. Gives EXIT_DONE, EXIT_NOT_DONE, EXIT_INTERRUPTED or the import's own code. */
export async function exampleCommand(
  options: ExampleCommandOptions,
  io: CommandIo,
): Promise<number> {
  try {
    const file = options.file ?? await fetchData();
    await using platform = await findPlatform(options, io);
    const { apiKey, state } = options;
    const { ingestion, gateway } = platform;
    const code = await importCommand(
      { ...EXAMPLE_MAPPING, file, url: ingestion, apiKey, state },
      io,
    );
    if (code !== EXIT_DONE) return code;
    const question = { gateway, apiKey, start: EXAMPLE_START, end: EXAMPLE_END };
    const summary = await askSummaryOf(question, Date.now(), countedMsMax);
    const events = await askHourly(question, "events");
    const users = await askHourly(question, "users");
    io.stdout.write(summaryText(summary));
    io.stdout.write(hoursText(events, users, options.allHours ?? false));
    const client = new QueryClient({
      url: gateway,
      apiKey,
      signal: io.signal,
      onRetry: (reason) => io.stderr.write(`again: ${reason}\n`),
    });
    io.stdout.write(await answerText(client, funnelKind, EXAMPLE_FUNNEL));
    io.stdout.write(await answerText(client, retentionKind, EXAMPLE_RETENTION));
    io.stdout.write(againText(question, platform));
    return EXIT_DONE;
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) return EXIT_INTERRUPTED;
    if (!(error instanceof ImportError) && !(error instanceof QueryError)) throw error;
    io.stderr.write(`rta example: ${error.message}\n`);
    return EXIT_NOT_DONE;
  }
}

async function fetchData(): Promise<string> {
  try {
    return await fetchClickstream();
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    const message = `the example data can't be fetched: ${detail}`;
    throw new ImportError("RTA_IMPORT_SOURCE", message, { cause });
  }
}

async function findPlatform(
  options: ExampleCommandOptions,
  io: CommandIo,
): Promise<BorrowedPlatform> {
  const platform = await borrowPlatform({
    ingestion: options.url ?? localUrl("RTA_INGESTION_PORT", 8081),
    gateway: options.gateway ?? localUrl("RTA_GATEWAY_PORT", 8080),
    dataFolder: options.data ?? (Deno.env.get("RTA_DATA") || "./data"),
  });
  const { ingestion, startedOn } = platform;
  io.stderr.write(
    startedOn === null
      ? `the platform at ${ingestion} is used\n`
      : `no platform runs, so one is started for this example, with its data in ${startedOn}\n`,
  );
  return platform;
}

function localUrl(variable: string, preset: number): string {
  return `http://127.0.0.1:${Deno.env.get(variable) || preset}`;
}

function summaryText(summary: SummaryAnswer): string {
  const { totalEvents, uniqueUsers, sessions, eventsByType, accuracy } = summary;
  const totals = textTable(
    [{ title: "" }, { title: "number", right: true }, { title: "accuracy" }],
    [
      ["events", groupedNumber(totalEvents), accuracy.total_events],
      ["users", groupedNumber(uniqueUsers), accuracy.unique_users],
      ["sessions", groupedNumber(sessions), accuracy.sessions],
    ],
  );
  const types = textTable(
    [{ title: "event type" }, { title: "events", right: true }, { title: "share", right: true }],
    eventsByType.map((
      [type, events],
    ) => [type, groupedNumber(events), percent(events / totalEvents)]),
  );
  const range = `${EXAMPLE_START.slice(0, dayChars)} to ${EXAMPLE_END.slice(0, dayChars)}`;
  return `\nSummary, ${range} (UTC)\n\n${totals}\n${types}`;
}

/** Events and users by hour: of the busiest day, or of every hour that has events. */
function hoursText(
  events: readonly SeriesPoint[],
  users: readonly SeriesPoint[],
  allHours: boolean,
): string {
  const day = busiestDay(events);
  const hours = events.map((point, index) => ({ ...point, users: users[index].value }));
  const shown = allHours
    ? hours.filter(({ value }) => value > 0)
    : hours.filter(({ timestamp }) => timestamp.startsWith(day));
  const most = Math.max(1, ...shown.map(({ value }) => value));
  const table = textTable(
    [{ title: "hour" }, { title: "events", right: true }, { title: "users", right: true }, {
      title: "",
    }],
    shown.map(({ timestamp, value, users }) => [
      `${timestamp.slice(0, hourChars).replace("T", " ")}:00`,
      groupedNumber(value),
      groupedNumber(users),
      bar(value / most, barWidth),
    ]),
  );
  const filled = hours.filter(({ value }) => value > 0).length;
  const what = allHours
    ? `all ${groupedNumber(filled)} hours with events`
    : `the busiest day of ${groupedNumber(hours.length)} hours, ${
      groupedNumber(filled)
    } with events`;
  return `\nHour by hour, ${what}\n\n${table}`;
}

/** The tables of a question, as `rta query` prints them. */
async function answerText(
  client: QueryClient,
  kind: QueryKind,
  options: QueryOptions,
): Promise<string> {
  const answer = await client.ask(kind.request(options, Date.now(), ""));
  return `\n${kind.tables(answer, options).map(tableText).join("\n")}`;
}

/** Date (YYYY-MM-DD) of the day with most events. */
function busiestDay(events: readonly SeriesPoint[]): string {
  const days = new Map<string, number>();
  for (const { timestamp, value } of events) {
    const day = timestamp.slice(0, dayChars);
    days.set(day, (days.get(day) ?? 0) + value);
  }
  return [...days].reduce((most, day) => day[1] > most[1] ? day : most)[0];
}

function againText(question: Question, { startedOn }: BorrowedPlatform): string {
  const first = startedOn === null ? "" : ", once `make run` has the platform running";
  const { from, to, step, window } = EXAMPLE_FUNNEL;
  const range = `--from ${from} --to ${to}`;
  const steps = step.map((type) => `--step ${type}`).join(" ");
  return [
    `\nAsk again${first}:\n`,
    `  curl -s '${summaryUrl(question)}'`,
    `  curl -s '${hourlyUrl(question, "events")}'`,
    `  rta query funnel ${range} --window ${window} ${steps}`,
    `  rta query retention ${range} --granularity ${EXAMPLE_RETENTION.granularity}\n`,
  ].join("\n");
}
