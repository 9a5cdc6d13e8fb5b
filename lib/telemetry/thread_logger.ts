/**
 * The log of a worker thread: the lines of logger.ts, byte for byte, without pino. A worker says
 * little, and pino with what it needs of Node takes some 4 MiB of memory in each thread.
 */
import { LOG_LEVELS, type LogLevel } from "../config/log_levels.ts";
import { describeError } from "./describe_error.ts";
import type { LogFields } from "./log_fields.ts";

/** Writes one line at a level. `detail.err` is an error. */
export type WriteLine = (detail: Readonly<Record<string, unknown>>, message: string) => void;

/** What parts that may run in a worker need of a log; a pino logger is one too. */
export interface ThreadLogger {
  readonly debug: WriteLine;
  readonly info: WriteLine;
  readonly warn: WriteLine;
  readonly error: WriteLine;
}

/** Makes the logger of a worker; `write` gets whole lines and is standard output when missing. */
export function createThreadLogger(
  level: LogLevel,
  fields: LogFields,
  write: (line: string) => void = toStandardOutput,
): ThreadLogger {
  const least = LOG_LEVELS.indexOf(level);
  const at = (own: LogLevel): WriteLine => {
    if (LOG_LEVELS.indexOf(own) < least) return () => {};
    return (detail, message) => {
      const time = new Date().toISOString();
      const { err } = detail;
      const described = err === undefined ? detail : { ...detail, err: describeError(err) };
      write(`${JSON.stringify({ level: own, time, ...fields, ...described, msg: message })}\n`);
    };
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function toStandardOutput(line: string): void {
  const bytes = new TextEncoder().encode(line);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
