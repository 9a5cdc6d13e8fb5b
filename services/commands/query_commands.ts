/** `rta query` and its kinds: what they take on the command line. */
import process from "node:process";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./command_io.ts";
import { queryCommand } from "./query_command.ts";
import { seriesKind, summaryKind } from "./query_counts.ts";
import type { QueryKind, QueryOptions } from "./query_kind.ts";

/** Adds `rta query`. */
export function addQueryCommands(rta: Command): void {
  const query = rta.command("query").description("questions to a running platform");
  asked(
    counted(query.command("summary")).description("totals of a time range, beside the one before"),
    summaryKind,
  );
  asked(
    counted(query.command("series"))
      .description("one metric over time")
      .option("--metric <name>", "events (default), users, sessions, sum:amount, p95:amount …")
      .option("--granularity <width>", "minute, hour (default), day, week or month")
      .option("--tz <zone>", "time zone of the buckets, such as Europe/Berlin; default UTC")
      .option("--by <what>", "type: a column for each event type"),
    seriesKind,
  );
}

/** What all kinds take. */
function ranged(command: Command): Command {
  return command
    .option("--from <time>", "first instant: RFC 3339, unix seconds, or -24h, -7d before now")
    .option("--to <time>", "first instant after the range; default: the current minute's end")
    .option("--json", "the answer as it came")
    .option("--csv", "the main table as CSV")
    .option("--timeout <seconds>", "longest wait for the answer", wholeNumber)
    .option("--url <url>", "address of the gateway's port")
    .option("--api-key <key>", "API key");
}

/** Those that count events of some types. */
function counted(command: Command): Command {
  return ranged(command)
    .option("--type <type>", "events of this type alone, may be repeated", collect, []);
}

function asked(command: Command, kind: QueryKind): void {
  command.action(async (...args) => {
    // Commander gives the arguments, then the options, then the command.
    const options: QueryOptions = args.at(-2);
    const subject = args.length > 2 ? String(args[0]) : "";
    process.exitCode = await runCommand((io) => queryCommand(kind, subject, options, io));
  });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
