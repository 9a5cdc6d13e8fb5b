/**
 * Stands before the DurableProducer and joins what small requests bring in one turn of the event
 * loop: their lines go to the writer as one part per partition, when the turn ends.
 *
 *     request, request, request ... | end of the turn: one frame per partition -> writer
 *
 * Under load a turn handles dozens of requests. Without this each is a frame of its own, the first
 * one wakes the writer, and it commits whatever few have come by then: measured, half as many
 * events to a commit, and a quarter more processor time for an event. On an idle server the turn
 * ends some microseconds after the request, so nobody waits.
 *
 * Requests that share a part share its outcome: those of a part that failed are all answered as
 * failed, and each is sent again.
 */
import { setImmediate } from "node:timers";
import { GATHERED_BYTES_MAX, GATHERED_REQUEST_BYTES_MAX } from "../../lib/config/limits.ts";
import type { LogErrorCode } from "../../lib/log/event_log.ts";
import { LineRanges } from "../../lib/log/line_ranges.ts";
import type { AppendFailure, AppendPart, DurableProducer } from "./durable_producer.ts";

/** What became of the parts of a request, by index; null = durable. */
type Outcomes = readonly (AppendFailure | null)[];

/** The part of one partition that is being gathered. */
class Gathered {
  /** One memory for all turns; the lines stand in it one after the other. */
  readonly bytes: Uint8Array;
  readonly lines = new LineRanges();
  project = "";
  traceparent: string | null = null;
  receivedAtMs = 0;
  /** Given to every request whose lines are here; new for each turn. */
  outcome: PromiseWithResolvers<Outcomes> = Promise.withResolvers();

  constructor(readonly partition: number, bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
  }

  takes(part: AppendPart): boolean {
    return this.lines.count === 0 || this.project === part.project &&
        this.lines.byteLength + part.lines.byteLength <= this.bytes.length;
  }

  add({ project, receivedAtMs, lines }: AppendPart): Promise<Outcomes> {
    if (this.lines.count === 0) this.receivedAtMs = receivedAtMs;
    this.project = project;
    this.receivedAtMs = Math.max(this.receivedAtMs, receivedAtMs);
    let at = this.lines.byteLength;
    lines.copyInto(0, lines.count, this.bytes, at);
    for (let line = 0; line < lines.count; line++) {
      const end = at + lines.lineBytes(line);
      this.lines.add(this.bytes, at, end - 1);
      at = end;
    }
    return this.outcome.promise;
  }

  /** Forgets the lines; the next ones get an outcome of their own. */
  clear(): void {
    this.lines.clear();
    this.outcome = Promise.withResolvers();
  }
}

/** The producing end that requests use; one per process. */
export class TickProducer {
  readonly #producer: DurableProducer;
  /** By partition, made when it is first used. */
  readonly #gathered: (Gathered | undefined)[] = [];
  /** Those that have lines. */
  #filled: Gathered[] = [];

  constructor(producer: DurableProducer) {
    this.#producer = producer;
  }

  /** Bytes of lines that were taken and not answered yet. */
  get inFlightBytes(): number {
    return this.#filled.reduce(
      (sum, { lines }) => sum + lines.byteLength,
      this.#producer.inFlightBytes,
    );
  }

  /**
   * Takes the parts of one request. Resolves when all are answered: by index null (durable) or why
   * not.
   */
  appendAll(parts: readonly AppendPart[]): Promise<Outcomes> {
    let bytes = 0;
    for (const { lines } of parts) bytes += lines.byteLength;
    if (bytes > GATHERED_REQUEST_BYTES_MAX) return this.#producer.appendAll(parts);
    if (parts.length === 1) return this.#gather(parts[0]);
    const outcomes = parts.map((part) => this.#gather(part));
    return Promise.all(outcomes).then((all) => all.flat());
  }

  /** See DurableProducer: nobody waits for these, so they go at once. */
  tryEnqueue(part: AppendPart): void {
    this.#producer.tryEnqueue(part);
  }

  /** Resolves when nothing is in flight. Does not keep others from appending. */
  drain(): Promise<void> {
    this.#flush();
    return this.#producer.drain();
  }

  /** The writer is gone: everything in flight fails with `code`, and so does all that follows. */
  markFailed(code: LogErrorCode): void {
    this.#producer.markFailed(code);
    this.#flush();
  }

  /** Ends the reading of answers; what is still in flight fails. Drain first. */
  close(): void {
    this.#producer.close();
    this.#flush();
  }

  /** Puts a part with those of its partition; the outcome has one element. */
  #gather(part: AppendPart): Promise<Outcomes> {
    const { partition, traceparent = null } = part;
    if (traceparent !== null) return this.#gatherTraced(part, traceparent);
    const gathered = this.#gathered[partition] ??= new Gathered(partition, GATHERED_BYTES_MAX);
    if (!gathered.takes(part)) this.#flush();
    if (gathered.lines.count === 0) this.#fill(gathered);
    return gathered.add(part);
  }

  /** A record of the log is of one trace: the part goes with the others, but shares no frame. */
  #gatherTraced(part: AppendPart, traceparent: string): Promise<Outcomes> {
    const alone = new Gathered(part.partition, part.lines.byteLength);
    alone.traceparent = traceparent;
    this.#fill(alone);
    return alone.add(part);
  }

  #fill(gathered: Gathered): void {
    if (this.#filled.length === 0) setImmediate(() => this.#flush());
    this.#filled.push(gathered);
  }

  /** Hands everything that was gathered to the writer. */
  #flush(): void {
    if (this.#filled.length === 0) return;
    const filled = this.#filled;
    this.#filled = [];
    const waiting = filled.map(({ outcome }) => outcome);
    // It has copied the lines when it returns, and never rejects.
    void this.#producer.appendAll(filled).then((outcomes) => {
      waiting.forEach(({ resolve }, index) => resolve([outcomes[index]]));
    });
    for (const gathered of filled) gathered.clear();
  }
}
