/**
 * The composition root and the `rta` command line: the one place that knows every part.
 *
 *     rta serve    every role of RTA_ROLES in this process, until SIGINT or SIGTERM (platform.ts)
 *     rta run      the same under a restart loop (`make run`)
 *     rta import, rta generate, rta example    clients of a running platform
 */
import process from "node:process";
import { Command } from "commander";
import { serve } from "./serve.ts";
import { superviseServe } from "./supervise.ts";
import { Platform } from "./platform.ts";

const SERVING = new Set(["serve", "run"]);

function commandLine(): Command {
  const rta = new Command("rta").description("Real-Time Analytics Platform");
  rta.command("serve")
    .description("run the platform in this process")
    .option("--roles <roles>", "ingestion, consumer, analytics, metrics, gateway or all")
    .option("--data <folder>", "data folder")
    .action(async (options) => {
      const overrides = { RTA_ROLES: options.roles, RTA_DATA: options.data };
      process.exitCode = await serve(overrides, (config, logger) => new Platform(config, logger));
    });
  rta.command("run")
    .description("run the platform and start it again when it fails")
    .option("--data <folder>", "data folder", Deno.env.get("RTA_DATA") ?? "data")
    .action(async (options) => {
      const dataFolder = options.data;
      process.exitCode = await superviseServe(["--data", dataFolder], { dataFolder });
    });
  return rta;
}

if (import.meta.main) {
  const rta = commandLine();
  if (!SERVING.has(Deno.args[0])) {
    // Not loaded to serve: they take memory and time, the Kafka client most of all.
    (await import("./commands/client_commands.ts")).addClientCommands(rta);
    (await import("./commands/topics_command.ts")).addTopicsCommand(rta);
  }
  await rta.parseAsync(["deno", "rta", ...Deno.args]);
  process.exit(process.exitCode);
}
