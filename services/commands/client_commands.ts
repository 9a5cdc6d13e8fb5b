/** The commands beside `rta serve` and `rta run`: what they take on the command line. */
import process from "node:process";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./command_io.ts";
import { dlqDropCommand, dlqListCommand, dlqReplayCommand, dlqShowCommand } from "./dlq_command.ts";
import { exampleCommand } from "./example_command.ts";
import { addExportCommands } from "./export_commands.ts";
import { generateCommand } from "./generate_command.ts";
import { importCommand } from "./import_command.ts";
import { addKeysCommands } from "./keys_commands.ts";
import { addQueryCommands } from "./query_commands.ts";

/** Adds the commands that are clients of a running platform. */
export function addClientCommands(rta: Command): void {
  addImport(rta);
  addGenerate(rta);
  addExample(rta);
  addDlq(rta);
  addQueryCommands(rta);
  addExportCommands(rta);
  addKeysCommands(rta);
}

function addImport(rta: Command): void {
  rta.command("import <file>")
    .description("send the rows of a CSV or NDJSON file, plain or gzip; a second run adds nothing")
    .option("--format <format>", "csv or ndjson; by the file's name and first bytes when missing")
    .option("--delimiter <character>", "between the cells of a CSV row")
    .option("--map <target=column>", "column of a field, may be repeated", collect, [])
    .option("--property <column>", "column that becomes a property, may be repeated", collect, [])
    .option("--set <target=value>", "the same value in every event, may be repeated", collect, [])
    .option("--only-mapped", "leave out the columns that are not named")
    .option("--url <url>", "address of the ingestion port")
    .option("--api-key <key>", "API key")
    .option("--batch <events>", "events in one request", wholeNumber)
    .option("--state <folder>", "where the progress of imports is kept")
    .option("--rejected <file>", "where refused rows are written")
    .option("--restart", "begin at the first row whatever was imported before")
    .option("--dry-run", "read and judge everything, send nothing")
    .action(async (file, options) => {
      process.exitCode = await runCommand((io) => importCommand({ ...options, file }, io));
    });
}

function addGenerate(rta: Command): void {
  rta.command("generate")
    .description("send made-up events, the same for the same seed")
    .option("--events <count>", "how many events", wholeNumber)
    .option("--seed <number>", "what they follow from", wholeNumber)
    .option("--users <count>", "how many users, by Zipf's law", wholeNumber)
    .option("--days <days>", "days they spread over; 0 = they happen as they are sent", wholeNumber)
    .option("--types <count>", "how many event types", wholeNumber)
    .option("--rate <per-second>", "events a second; 0 = as fast as they are taken", wholeNumber)
    .option("--session-ids", "give events the ids of their visits")
    .option("--batch <events>", "events in one request", wholeNumber)
    .option("--url <url>", "address of the ingestion port")
    .option("--api-key <key>", "API key")
    .option("--out <file>", "write this NDJSON file and send nothing")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => generateCommand(options, io));
    });
}

function addExample(rta: Command): void {
  rta.command("example")
    .description("load a web shop's clickstream; print its summary, hours, a funnel, retention")
    .option("--url <url>", "address of the ingestion port")
    .option("--gateway <url>", "address of the gateway's port")
    .option("--api-key <key>", "API key")
    .option("--data <folder>", "data folder of a platform that is started")
    .option("--file <file>", "the data, if it is at hand")
    .option("--state <folder>", "where the progress of imports is kept")
    .option("--all-hours", "print every hour that has events")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => exampleCommand(options, io));
    });
}

function addDlq(rta: Command): void {
  const dlq = rta.command("dlq").description("dead letters: lines of the log that became no event");
  asDlqClient(filtered(dlq.command("list")))
    .description("list them, newest first")
    .option("--limit <count>", "how many at the most", wholeNumber)
    .action(async (options) => {
      process.exitCode = await runCommand((io) => dlqListCommand(options, io));
    });
  asDlqClient(dlq.command("show <id>"))
    .description("show one with all of its payload")
    .action(async (id, options) => {
      process.exitCode = await runCommand((io) => dlqShowCommand(id, options, io));
    });
  asDlqClient(filtered(dlq.command("replay")))
    .description("send them in again as events; a second time changes nothing")
    .option("--id <id>", "this one, may be repeated", collect, [])
    .option("--all", "all that wait")
    .option("--edit <file>", "those of a file with mended payloads, as list --json writes it")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => dlqReplayCommand(options, io));
    });
  asDlqClient(filtered(dlq.command("drop")))
    .description("forget them for good")
    .option("--id <id>", "this one, may be repeated", collect, [])
    .option("--all", "all, replayed or not")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => dlqDropCommand(options, io));
    });
}

function asDlqClient(command: Command): Command {
  return command
    .option("--json", "write JSON, one text a line")
    .option("--url <url>", "address of the gateway's port")
    .option("--api-key <key>", "API key");
}

function filtered(command: Command): Command {
  return command
    .option("--reason <code>", "those of this reason, such as missing_field")
    .option("--topic <name>", "those of this topic")
    .option("--partition <number>", "those of this partition")
    .option("--from <time>", "set aside at this time or later")
    .option("--to <time>", "set aside before this time")
    .option("--search <text>", "with this text in the payload or the message")
    .option("--state <state>", "waiting (default), replayed or all");
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
