/**
 * Where the main thread's log lines go: standard output, several at a time when many come.
 *
 *     a line after a rest of GATHER_MS     written at once
 *     more within that time                written together when it is over, or is GATHER_CHARS
 *     a line of level warn or above        written at once, with all that waits
 *     the process ends by itself           written before: the end, process.exit, an error uncaught
 *
 * Only a kill from outside loses lines, those of the last GATHER_MS. Every write is synchronous; one
 * per line took 10 to 35 us of the main thread, a tenth of what a question costs it.
 */
import process from "node:process";
import type { DestinationStream } from "pino";

/** Longest that a line waits, ms. */
const GATHER_MS = 20;
/** Text that is written at once, UTF-16 code units. */
const GATHER_CHARS = 32_768;
/** pino's number for the level warn. */
const WARN = 40;

const WANTS_LEVEL: unique symbol = Symbol.for("pino.metadata");
const encoder = new TextEncoder();

export class GatheredOutput implements DestinationStream {
  /** Has pino tell the level of each line in `lastLevel` before it is written. */
  readonly [WANTS_LEVEL] = true;
  lastLevel = 0;
  readonly #put: (text: string) => void;
  #text = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writtenAtMs = -Infinity;

  /** @param put takes whole lines; standard output when missing */
  constructor(put: (text: string) => void = toStandardOutput) {
    this.#put = put;
    const flush = () => this.flush();
    process.on("exit", flush);
    for (const event of ["error", "unhandledrejection", "unload"]) addEventListener(event, flush);
  }

  write(line: string): void {
    this.#text += line;
    if (this.lastLevel >= WARN || this.#text.length >= GATHER_CHARS) return this.flush();
    if (this.#timer !== undefined) return;
    const restMs = this.#writtenAtMs + GATHER_MS - performance.now();
    if (restMs <= 0) return this.flush();
    this.#timer = setTimeout(() => this.flush(), restMs);
    Deno.unrefTimer(this.#timer);
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#text;
    if (text === "") return;
    this.#text = "";
    this.#put(text);
    this.#writtenAtMs = performance.now();
  }
}

function toStandardOutput(text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
