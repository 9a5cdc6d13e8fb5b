/**
 * What a command of the `rta` command line talks to, and the codes that it ends with. Answers go to
 * stdout, everything about the work itself to stderr, so that answers can be piped.
 */

/** All that was asked for is done. */
export const EXIT_DONE = 0;
/** Done, but some rows were refused. */
export const EXIT_SOME_REFUSED = 1;
/** Not done: bad options, an unreadable file, a platform that can't be had. */
export const EXIT_NOT_DONE = 2;
/** Interrupted by SIGINT or SIGTERM (128 + 2, as shells have it). */
export const EXIT_INTERRUPTED = 130;

/** Takes text. */
export interface TextSink {
  write(text: string): void;
}

/** The surroundings of a command. */
export interface CommandIo {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** Width of the terminal that stderr is, in characters; null = it is none. */
  readonly terminalColumns: number | null;
  /** Aborts when the command is to stop. */
  readonly signal: AbortSignal;
}

/**
 * Runs a command with this process's streams; SIGINT and SIGTERM abort its signal. A second one
 * ends the process at once, as it would without us.
 */
export async function runCommand(command: (io: CommandIo) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const names: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  const abort = () => {
    controller.abort();
    release();
  };
  const release = () => names.forEach((name) => Deno.removeSignalListener(name, abort));
  for (const name of names) Deno.addSignalListener(name, abort);
  try {
    return await command({
      stdout: sinkOf(Deno.stdout),
      stderr: sinkOf(Deno.stderr),
      terminalColumns: Deno.stderr.isTerminal() ? terminalColumns() : null,
      signal: controller.signal,
    });
  } finally {
    if (!controller.signal.aborted) release();
  }
}

function sinkOf(stream: typeof Deno.stdout): TextSink {
  const encoder = new TextEncoder();
  return {
    write(text) {
      const bytes = encoder.encode(text);
      try {
        for (let written = 0; written < bytes.length;) {
          written += stream.writeSync(bytes.subarray(written));
        }
      } catch (error) {
        // Nobody reads any more (`rta example | head`); the work itself goes on.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
  };
}

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}
