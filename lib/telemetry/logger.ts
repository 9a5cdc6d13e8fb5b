/**
 * The log: one JSON object a line on standard output (pino).
 *
 *     {"level":"info","time":"2026-01-31T12:00:00.000Z","stage":"ingest","service":"ingestion",
 *      "request_id":"...","msg":"..."}
 *
 * Lines are written at once and synchronously, so that none is lost when the process dies. What is
 * written per event or per request that went well has level `debug`, so the hot path writes nothing.
 *
 * What may be logged: names, ids of requests, counts, times, codes, messages of our own errors. Not:
 * credentials, headers, bodies, property values. An error is logged by type, code, message, stack
 * and cause; other things that hang on it are not.
 */
import pino, { type DestinationStream, type Logger } from "pino";
import type { LogLevel } from "../config/variables.ts";

export type { Logger };

/** The five steps of an event's life; the log field `stage`. */
export type Stage = "ingest" | "log" | "process" | "store" | "query";

/** What every line of a logger carries. */
export interface LogFields {
  readonly stage?: Stage;
  /** The role that writes. */
  readonly service?: string;
}

/** Longest chain of causes that is written with an error. */
const CAUSES_MAX = 5;

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
    serializers: { err: (error) => describeError(error, CAUSES_MAX) },
  }, destination);
}

function describeError(error: unknown, causesLeft: number): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  const described: Record<string, unknown> = { type: name, message, stack };
  if (typeof code === "string" || typeof code === "number") described.code = code;
  if (cause !== undefined && causesLeft > 0) described.cause = describeError(cause, causesLeft - 1);
  return described;
}
