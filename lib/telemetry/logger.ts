/**
 * The log: one JSON object a line on standard output (pino).
 *
 *     {"level":"info","time":"2026-01-31T12:00:00.000Z","stage":"ingest","service":"ingestion",
 *      "request_id":"...","msg":"..."}
 *
 * Lines are written at once and synchronously, or by `serve` a few ms later (gathered_output.ts), so
 * that none is lost when the process ends. What is written per event has level `debug`, so the hot
 * path writes nothing.
 *
 * What may be logged: names, ids of requests, counts, times, codes, messages of our own errors. Not:
 * credentials, headers, bodies, property values. An error is logged by type, code, message, stack
 * and cause; other things that hang on it are not.
 */
import pino, { type DestinationStream, type Logger } from "pino";
import type { LogLevel } from "../config/log_levels.ts";
import { describeError } from "./describe_error.ts";
import type { LogFields } from "./log_fields.ts";

export type { LogFields, Logger };

/**
 * Makes the logger of a thread; `logger.child({ stage, service })` for its parts.
 *
 * @param destination where lines go; standard output when missing
 */
export function createLogger(
  level: LogLevel,
  fields: LogFields = {},
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger {
  return pino({
    level,
    base: { ...fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: (error) => describeError(error) },
  }, destination);
}
