/**
 * One process from its settings to its exit code: reads the settings, starts what it is given, waits
 * for a signal or a failure that only a new process heals, and stops within STOP_MS_MAX.
 */
import process from "node:process";
import { KeyFileError } from "../lib/auth/key_file.ts";
import { type Config, ConfigError, readConfig } from "../lib/config/config.ts";
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from "../lib/config/exit_codes.ts";
import { STOP_MS_MAX } from "../lib/config/limits.ts";
import { DataFolderError } from "../lib/data_folder/data_folder.ts";
import { ListenError } from "../lib/http/listen.ts";
import { TlsError } from "../lib/http/tls_files.ts";
import { LogError } from "../lib/log/event_log.ts";
import { StoreError } from "../lib/store/event_store.ts";
import { GatheredOutput } from "../lib/telemetry/gathered_output.ts";
import { createLogger, type Logger } from "../lib/telemetry/logger.ts";

/** What runs in the process. */
export interface Served {
  /**
   * Resolves when everything listens; rejects with why it can't. `signal` ends what it waits for:
   * it rejects then, in its own time.
   */
  start(signal: AbortSignal): Promise<void>;
  /** Drains and closes all that runs. Safe at any point of the start. */
  stop(): Promise<void>;
  /** Resolves with an exit code when the process has to end by itself. */
  readonly ended: Promise<number>;
  /** That exit code, once there is one: also when it failed while it was told to stop. */
  readonly failure: number | null;
}

/** Runs it until its end; returns the exit code. */
export async function serve(
  overrides: Record<string, string | undefined>,
  make: (config: Config, logger: Logger) => Served,
): Promise<number> {
  let config: Config;
  try {
    config = readConfig(Deno.env.toObject(), overrides);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`rta: the settings can't be used\n${error.message}`);
    return EXIT_CONFIG;
  }
  const logger = createLogger(config.logLevel, {}, new GatheredOutput());
  for (const name of config.unknownVariables) logger.warn({ variable: name }, "unknown setting");
  const platform = make(config, logger);
  const signalled = Promise.withResolvers<number>();
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      signalled.resolve(EXIT_OK);
      stopping.abort();
    });
  }
  let code: number;
  try {
    await platform.start(stopping.signal);
    code = await Promise.race([signalled.promise, platform.ended]);
  } catch (error) {
    code = isAbort(error) ? EXIT_OK : startFailure(error, logger);
  }
  const tooLong = setTimeout(() => process.exit(code || EXIT_FAILED), STOP_MS_MAX);
  try {
    await platform.stop();
  } finally {
    clearTimeout(tooLong);
  }
  code = platform.failure ?? code;
  logger.info({ exit_code: code }, "stopped");
  return code;
}

/** Whether it says that the start was told to end. */
function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Says why the start failed, and whether trying again can help. */
function startFailure(error: unknown, logger: Logger): number {
  const known = error instanceof DataFolderError || error instanceof ListenError ||
    error instanceof TlsError || error instanceof LogError || error instanceof StoreError ||
    error instanceof KeyFileError;
  if (!known) {
    logger.fatal({ err: error }, "the start failed");
    return EXIT_FAILED;
  }
  logger.fatal({ code: error.code, detail: error.message }, "the start failed");
  // A failure of a shard comes with where it was thrown; the log has all of it.
  console.error(`rta: ${error.message.split("\n", 1)[0].replace(/^\w*Error: /, "")}`);
  return NO_RESTART_HELPS.has(error.code) ? EXIT_CONFIG : EXIT_FAILED;
}

const NO_RESTART_HELPS = new Set([
  "RTA_KEY_FILE",
  "RTA_DATA_IN_USE",
  "RTA_DATA_UNUSABLE",
  "RTA_PORT_UNAVAILABLE",
  "RTA_TLS_UNUSABLE",
  "RTA_LOG_PARTITIONS_CHANGED",
  "RTA_LOG_CORRUPT",
  "RTA_STORE_FORMAT",
  "RTA_STORE_CORRUPT",
]);
