/** `rta export` and `rta sql`: what they take on the command line. */
import process from "node:process";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./command_io.ts";
import { exportCommand } from "./export_command.ts";
import { sqlCommand } from "./sql_command.ts";

/** Adds both. */
export function addExportCommands(rta: Command): void {
  ranged(rta.command("export"))
    .description("all events of a time range, as a file that is there only when it is whole")
    .option("--format <format>", "ndjson, csv or parquet; by the name of the file, else ndjson")
    .option("--out <file>", "where to; standard output when missing")
    .option("--columns <names>", "of csv and parquet: fields and properties, with commas")
    .option("--type <type>", "events of this type alone, may be repeated", collect, [])
    .option("--filter <condition>", "country=DE, amount>=100, plan!=a|b, coupon …", collect, [])
    .option("--filter-json <list>", "conditions in the JSON form of the API")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => exportCommand(options, io));
    });
  ranged(rta.command("sql <statement>"))
    .description("one SELECT over the view events, which has all of them")
    .option("--timeout <seconds>", "longest wait for the answer", wholeNumber)
    .option("--json", "the answer as it came")
    .option("--csv", "the rows as CSV")
    .action(async (statement, options) => {
      process.exitCode = await runCommand((io) => sqlCommand(statement, options, io));
    });
}

function ranged(command: Command): Command {
  return command
    .option("--from <time>", "first instant, or -7d; from the first event when missing")
    .option("--to <time>", "first instant after the range; to the last event when missing")
    .option("--allow-missing", "leave out partitions that do not run there")
    .option("--url <url>", "address of the gateway's port")
    .option("--api-key <key>", "API key");
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
