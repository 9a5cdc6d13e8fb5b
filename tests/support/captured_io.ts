/** A CommandIo that keeps what a command writes, for tests. */
import type { CommandIo } from "../../services/commands/command_io.ts";

export interface CapturedIo extends CommandIo {
  /** What was written to stdout so far. */
  readonly out: () => string;
  /** What was written to stderr so far. */
  readonly err: () => string;
}

/** Not on a terminal and never aborted, unless told otherwise. */
export function capturedIo(
  { terminalColumns = null, signal = new AbortController().signal }: Partial<CommandIo> = {},
): CapturedIo {
  let [out, err] = ["", ""];
  return {
    stdout: { write: (text) => void (out += text) },
    stderr: { write: (text) => void (err += text) },
    terminalColumns,
    signal,
    out: () => out,
    err: () => err,
  };
}
