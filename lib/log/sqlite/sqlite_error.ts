/**
 * SQLite's failures as the log's own: what an operator does about a full disk differs from what
 * one does about a broken file, and nothing else of SQLite's hundred codes matters to callers.
 * Result codes: https://www.sqlite.org/rescode.html
 */
import { LogError, type LogErrorCode } from "../event_log.ts";

const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;

/** The extended result code keeps the primary one in its low byte. */
const PRIMARY_CODE_MASK = 0xff;

/** `error`, thrown by node:sqlite while `doing`, as a LogError with it as the cause. */
export function toLogError(error: unknown, doing: string): LogError {
  if (error instanceof LogError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const code = codeOf(error, reason);
  return new LogError(code, `${doing}: ${explain(error, reason)}`, { cause: error });
}

function codeOf(error: unknown, reason: string): LogErrorCode {
  switch (primaryCode(error)) {
    case SQLITE_FULL:
      return "RTA_LOG_FULL";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "RTA_LOG_CORRUPT";
  }
  // Opening and exec() give the message alone, without a result code.
  if (/disk is full|no space left/i.test(reason)) return "RTA_LOG_FULL";
  if (/malformed|not a database/i.test(reason)) return "RTA_LOG_CORRUPT";
  return "RTA_LOG_UNAVAILABLE";
}

/** A key that is already taken can only mean that someone else appends to this file. */
function explain(error: unknown, reason: string): string {
  return primaryCode(error) === SQLITE_CONSTRAINT
    ? `another process has appended to this log (${reason})`
    : reason;
}

function primaryCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & PRIMARY_CODE_MASK : -1;
}
