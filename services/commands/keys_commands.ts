/** `rta keys` and `rta projects`: what they take on the command line. */
import process from "node:process";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./command_io.ts";
import {
  keysCreateCommand,
  keysListCommand,
  keysRevokeCommand,
  keysRotateCommand,
  projectsCreateCommand,
  projectsListCommand,
} from "./keys_command.ts";

/** Adds the commands. */
export function addKeysCommands(rta: Command): void {
  const keys = rta.command("keys").description("API keys, in the key file of a platform");
  limited(onKeyFile(keys.command("create")))
    .description("make a key and print it, this once")
    .option("--project <name>", "project that it acts on; default if missing")
    .requiredOption("--scope <scopes>", "ingest, query, admin: a list, may be repeated", scopes, [])
    .option("--name <text>", "what it is for")
    .option("--expires <time>", "time until it ends, such as 90d; never when missing")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => keysCreateCommand(options, io));
    });
  onKeyFile(keys.command("list"))
    .description("list them")
    .option("--project <name>", "those of this project")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => keysListCommand(options, io));
    });
  onKeyFile(keys.command("revoke <id>"))
    .description("end one at once, for good")
    .action(async (id, options) => {
      process.exitCode = await runCommand((io) => keysRevokeCommand(id, options, io));
    });
  onKeyFile(keys.command("rotate <id>"))
    .description("make a key in the place of another one, which ends after a while")
    .option("--overlap <time>", "how long the other one goes on; 24h when missing")
    .action(async (id, options) => {
      process.exitCode = await runCommand((io) => keysRotateCommand(id, options, io));
    });
  const projects = rta.command("projects").description("projects, which never see each other");
  limited(onKeyFile(projects.command("create <name>")))
    .description("make one")
    .action(async (name, options) => {
      process.exitCode = await runCommand((io) => projectsCreateCommand(name, options, io));
    });
  onKeyFile(projects.command("list"))
    .description("list them")
    .action(async (options) => {
      process.exitCode = await runCommand((io) => projectsListCommand(options, io));
    });
}

function onKeyFile(command: Command): Command {
  return command
    .option("--file <file>", "the key file; RTA_KEYS_FILE, else keys.json in the data folder")
    .option("--data <folder>", "the data folder; RTA_DATA, else ./data")
    .option("--json", "write JSON, one text a line");
}

function limited(command: Command): Command {
  return command
    .option("--events-per-second <count>", "most events a second", wholeNumber)
    .option("--bytes-per-second <count>", "most bytes of events a second", wholeNumber)
    .option("--streams <count>", "most live streams and exports at the same time", wholeNumber)
    .option("--queries <count>", "most questions at the same time", wholeNumber);
}

function scopes(value: string, before: string[]): string[] {
  return [...before, ...value.split(",").map((scope) => scope.trim())];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
