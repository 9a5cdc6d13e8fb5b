/**
 * `rta generate`: makes a seeded load of a web shop, and sends it to a platform or writes a file.
 *
 * Events go out in order, one request under way while the next is being made. With `--rate` they
 * are sent at that pace; with `--days 0` their times are those of the sending.
 */
import {
  EVENTS_PER_BATCH_MAX,
  GENERATED_LINE_BYTES_MAX,
  IMPORT_BATCH_DEFAULT,
} from "../../lib/config/limits.ts";
import { waitUnlessAborted } from "../../lib/wait/abortable_wait.ts";
import { EventGenerator } from "../../lib/import/event_generator.ts";
import { ImportError } from "../../lib/import/import_error.ts";
import { EventSender } from "../../lib/import/send_events.ts";
import {
  type CommandIo,
  EXIT_DONE,
  EXIT_INTERRUPTED,
  EXIT_NOT_DONE,
  EXIT_SOME_REFUSED,
} from "./command_io.ts";
import { DEFAULT_INGESTION_URL } from "./import_command.ts";
import { ProgressLine } from "./progress_line.ts";
import { groupedNumber } from "./text_table.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const fileChunkBytes = 4 * 1024 * 1024;
/** Requests a second at which a paced load is sent, as long as each has at least one event. */
const pacedRequestsPerSecond = 20;

/** What the command line says. */
export interface GenerateCommandOptions {
  /** Default 1,000,000. */
  readonly events?: number;
  /** Default 1; the ids follow from it, so another load needs another seed. */
  readonly seed?: number;
  /** Default 100,000. */
  readonly users?: number;
  /** Days that the events spread over; default 30; 0 = they happen as they are sent. */
  readonly days?: number;
  /** Event types; default 20. */
  readonly types?: number;
  /** Events a second; default 0 = as fast as the platform takes them. */
  readonly rate?: number;
  /** Time of the end, ms since the epoch; default the beginning of this minute. */
  readonly endMs?: number;
  /** Gives events the ids of their visits; otherwise sessions come of inactivity. */
  readonly sessionIds?: boolean;
  /** Events in one request; default 5,000, less with a rate. */
  readonly batch?: number;
  /** Address of the ingestion port; default http://127.0.0.1:8081. */
  readonly url?: string;
  readonly apiKey?: string;
  /** Writes this NDJSON file and sends nothing. */
  readonly out?: string;
}

/** Generates. Gives EXIT_DONE, EXIT_SOME_REFUSED, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export async function generateCommand(
  options: GenerateCommandOptions,
  io: CommandIo,
): Promise<number> {
  try {
    const rate = checkRate(options.rate ?? 0);
    const generator = makeGenerator(options, rate);
    const { startMs, endMs, seed } = generator.options;
    const from = new Date(startMs).toISOString();
    const to = new Date(endMs).toISOString();
    io.stderr.write(`${groupedNumber(generator.remaining)} events from ${from} to ${to}\n`);
    if (options.out !== undefined) return await writeFile(generator, options.out, io);
    io.stderr.write(`ids g${seed}-...: where they are known, the same seed again adds nothing\n`);
    return await send(generator, options, rate, io);
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) return EXIT_INTERRUPTED;
    if (!(error instanceof ImportError) && !(error instanceof RangeError)) throw error;
    io.stderr.write(`rta generate: ${error.message}\n`);
    return EXIT_NOT_DONE;
  }
}

/** The generator that the options ask for. Throws RangeError. */
function makeGenerator(options: GenerateCommandOptions, rate: number): EventGenerator {
  const { events = 1_000_000, seed = 1, users = 100_000, types = 20, days = 30 } = options;
  if (!Number.isSafeInteger(days) || days < 0) {
    throw new RangeError("--days takes a whole number from 0");
  }
  const { sessionIds } = options;
  const nowMs = Date.now();
  const shared = { events, seed, users, types, sessionIds };
  if (days > 0) {
    const endMs = options.endMs ?? nowMs - nowMs % MINUTE_MS;
    return new EventGenerator({ ...shared, startMs: endMs - days * DAY_MS, endMs });
  }
  const spanMs = rate > 0 ? Math.ceil(events / rate * SECOND_MS) : 0;
  return new EventGenerator({ ...shared, startMs: nowMs, endMs: nowMs + spanMs });
}

async function send(
  generator: EventGenerator,
  options: GenerateCommandOptions,
  rate: number,
  io: CommandIo,
): Promise<number> {
  const { signal } = io;
  const { url = DEFAULT_INGESTION_URL, apiKey } = options;
  const batch = checkBatch(options.batch ?? IMPORT_BATCH_DEFAULT, rate);
  const progress = new ProgressLine(io, "events");
  const onRetry = (reason: string) => {
    progress.end();
    io.stderr.write(`again: ${reason}\n`);
  };
  const sender = new EventSender({ url, apiKey, signal, onRetry });
  await sender.probe();
  const total = generator.remaining;
  const startedAtMs = performance.now();
  const pace = new Pace(rate, startedAtMs, signal);
  const codes = new Map<string, number>();
  let answered = 0;
  let refused = 0;
  let underWay: Promise<void> = Promise.resolve();
  const sendOne = async (body: Uint8Array<ArrayBuffer>, events: number) => {
    for (const { code } of await sender.send(body)) {
      refused++;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    answered += events;
    progress.update({ share: answered / total, count: answered, countNow: answered, refused });
  };
  try {
    while (generator.remaining > 0 && !signal.aborted) {
      await pace.waitFor(total - generator.remaining);
      const body = new Uint8Array((batch + 1) * GENERATED_LINE_BYTES_MAX);
      const { bytes, events } = generator.fill(body, batch);
      await underWay;
      underWay = sendOne(body.subarray(0, bytes), events);
      underWay.catch(() => {}); // awaited in the next round
    }
    await underWay;
  } finally {
    await underWay.catch(() => {});
    progress.end();
    report(answered, performance.now() - startedAtMs, codes, io);
  }
  if (signal.aborted) return EXIT_INTERRUPTED;
  return refused > 0 ? EXIT_SOME_REFUSED : EXIT_DONE;
}

function report(
  answered: number,
  tookMs: number,
  codes: ReadonlyMap<string, number>,
  io: CommandIo,
): void {
  const seconds = tookMs / SECOND_MS;
  const speed = groupedNumber(Math.round(answered / Math.max(0.001, seconds)));
  io.stderr.write(`${groupedNumber(answered)} events in ${seconds.toFixed(1)} s, ${speed}/s\n`);
  for (const [code, events] of codes) {
    io.stderr.write(`  refused: ${groupedNumber(events)} x ${code}\n`);
  }
}

async function writeFile(
  generator: EventGenerator,
  path: string,
  io: CommandIo,
): Promise<number> {
  const progress = new ProgressLine(io, "events");
  const total = generator.remaining;
  const startedAtMs = performance.now();
  const buffer = new Uint8Array(fileChunkBytes);
  using file = await openOutput(path);
  while (generator.remaining > 0) {
    if (io.signal.aborted) return EXIT_INTERRUPTED;
    const { bytes } = generator.fill(buffer);
    for (let written = 0; written < bytes;) {
      written += await file.write(buffer.subarray(written, bytes));
    }
    const count = total - generator.remaining;
    progress.update({ share: count / total, count, countNow: count, refused: 0 });
  }
  progress.end();
  report(total, performance.now() - startedAtMs, new Map(), io);
  return EXIT_DONE;
}

async function openOutput(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: true, truncate: true });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    const message = `${path} can't be written: ${detail}`;
    throw new ImportError("RTA_IMPORT_SOURCE", message, { cause });
  }
}

/** Lets events go no sooner than their rate allows. */
class Pace {
  readonly #rate: number;
  readonly #startedAtMs: number;
  readonly #signal: AbortSignal;

  constructor(rate: number, startedAtMs: number, signal: AbortSignal) {
    this.#rate = rate;
    this.#startedAtMs = startedAtMs;
    this.#signal = signal;
  }

  /** Resolves when the event of this index is due; rejects when the signal aborts. */
  async waitFor(index: number): Promise<void> {
    if (this.#rate === 0) return;
    const waitMs = this.#startedAtMs + index / this.#rate * SECOND_MS - performance.now();
    if (waitMs >= 1) await waitUnlessAborted(waitMs, this.#signal);
  }
}

function checkRate(rate: number): number {
  if (Number.isFinite(rate) && rate >= 0) return rate;
  throw new RangeError("--rate takes a number of events a second, 0 = as fast as they are taken");
}

function checkBatch(batch: number, rate: number): number {
  if (!Number.isSafeInteger(batch) || batch < 1 || batch > EVENTS_PER_BATCH_MAX) {
    throw new RangeError(`--batch takes a whole number from 1 to ${EVENTS_PER_BATCH_MAX}`);
  }
  if (rate === 0) return batch;
  return Math.min(batch, Math.max(1, Math.round(rate / pacedRequestsPerSecond)));
}
