/**
 * From a request's lines to the log: writes them straight into the writer's ring and answers when
 * the writer has said that they are on disk.
 *
 * Nothing queues here. When the ring has no room the caller is told at once (OverloadedError), and
 * the client backs off; what is in the ring already is bounded by the ring. Lines are copied into
 * the ring before a call returns, so their buffers can be used again at once.
 *
 * A request may become several frames (one per partition, more when its lines are many), which can
 * end up in different commits. Some of them may then be in the log although the request failed:
 * the client sends all of it again and deduplication by event id makes that safe.
 */
import assert from "node:assert/strict";
import { LOG_RECORD_BYTES_MAX, RETRY_AFTER_SECONDS } from "../../lib/config/limits.ts";
import {
  APPEND_HEADER_BYTES,
  FRAME_ACK,
  FRAME_APPEND,
  FRAME_NACK,
  isThrough,
  nextSequence,
  originText,
  readAck,
  readNack,
  writeAppendHeader,
} from "../../lib/log/append_frames.ts";
import { LogError, type LogErrorCode } from "../../lib/log/event_log.ts";
import type { LineRanges } from "../../lib/log/line_ranges.ts";
import { RingReader, RingWriter } from "../../lib/ring/ring.ts";
import { PendingQueue } from "./pending_queue.ts";

/** The ring has no room now. Maps to 429 and RESOURCE_EXHAUSTED. */
export class OverloadedError extends Error {
  readonly code = "overloaded";
  /** When to try again, seconds. */
  readonly retryAfterSeconds = RETRY_AFTER_SECONDS;

  constructor() {
    super("the log's writer is behind: try again later");
    this.name = "OverloadedError";
  }
}

/** Why lines are not known to be in the log. */
export type AppendFailure = LogError | OverloadedError;

/** The lines of one project for one partition. */
export interface AppendPart {
  readonly partition: number;
  readonly project: string;
  /** When the platform took the events in, ms since the epoch. */
  readonly receivedAtMs: number;
  /** Of the request (W3C); missing or null = it is of no trace. */
  readonly traceparent?: string | null;
  /** At least one line. Copied before the call returns: the list may then be cleared and reused. */
  readonly lines: LineRanges;
}

export interface DurableProducerOptions {
  /** Ring of APPEND frames to the writer; this is its one writing end. */
  readonly ring: SharedArrayBuffer;
  /** Ring of ACK and NACK frames from the writer; this is its one reading end. */
  readonly acks: SharedArrayBuffer;
  readonly partitions: number;
  /** Hears of lines taken by tryEnqueue() that were not made durable after all. */
  readonly onLost?: (events: number, failure: LogError) => void;
  /** Sequence of the first frame; tests begin just below 2^32. */
  readonly firstSequence?: number;
}

/** Frames with consecutive sequences that are answered together. */
interface Pending {
  readonly firstSequence: number;
  readonly throughSequence: number;
  readonly bytes: number;
  readonly events: number;
  /** NACKs that touched some of the frames so far. */
  failures: FailedRange[] | null;
  /** null: nobody waits (tryEnqueue). */
  readonly settle: ((failures: readonly FailedRange[] | null) => void) | null;
}

interface FailedRange {
  readonly fromSequence: number;
  readonly throughSequence: number;
  readonly failure: LogError;
}

/** The frames of one part, as written. */
interface Written {
  readonly firstSequence: number;
  readonly throughSequence: number;
  readonly bytes: number;
  /** How many of the part's lines, from the first on, found room. */
  readonly lines: number;
}

/** Free room asked for beyond the lines themselves: a frame has headers. */
const FRAME_SLACK_BYTES = 64;
/** Project names whose bytes are remembered. */
const PROJECTS_MAX = 1024;

const encoder = new TextEncoder();

/** The producing end in the main thread; one per process. */
export class DurableProducer {
  readonly #partitions: number;
  readonly #ring: RingWriter;
  readonly #acks: RingReader;
  readonly #onLost: (events: number, failure: LogError) => void;
  readonly #pending = new PendingQueue<Pending>();
  readonly #projects = new Map<string, Uint8Array>();
  #drains: (() => void)[] = [];
  #nextSequence: number;
  #inFlightBytes = 0;
  /** Set when the writer died: nothing is taken any more. */
  #dead: LogError | null = null;
  #closed = false;

  constructor(options: DurableProducerOptions) {
    this.#partitions = options.partitions;
    this.#ring = new RingWriter(options.ring);
    this.#acks = new RingReader(options.acks);
    this.#onLost = options.onLost ?? (() => {});
    this.#nextSequence = options.firstSequence ?? 0;
    // A broken ring rejects here and nobody catches it: that ends the process, as it should.
    this.#readAcks();
  }

  /** Bytes of lines that were taken and not answered yet. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Requests that were taken and not answered yet. */
  get inFlight(): number {
    return this.#pending.length;
  }

  /**
   * Resolves when all lines of the part are durable.
   * Rejects with OverloadedError at once when the ring lacks room, or with the writer's LogError.
   */
  append(part: AppendPart): Promise<void> {
    const refusal = this.#refusal(part.lines.byteLength);
    if (refusal !== null) return Promise.reject(refusal);
    const written = this.#write(part);
    return new Promise((resolve, reject) => {
      const overloaded = written.lines < part.lines.count;
      if (written.lines === 0) return reject(new OverloadedError());
      this.#expect(written, part.lines.count, (failures) => {
        if (failures !== null) reject(failures[0].failure);
        else if (overloaded) reject(new OverloadedError());
        else resolve();
      });
    });
  }

  /**
   * The same for the parts of one request. Resolves when all are answered: by index null (durable)
   * or why not. When room runs out midway the parts before stay accepted, the rest is overloaded.
   */
  appendAll(parts: readonly AppendPart[]): Promise<(AppendFailure | null)[]> {
    const outcomes: (AppendFailure | null)[] = new Array(parts.length).fill(null);
    let total = 0;
    for (const part of parts) total += part.lines.byteLength;
    const refusal = this.#refusal(total);
    if (refusal !== null) return Promise.resolve(outcomes.fill(refusal));
    const written = parts.map((part, index) => {
      const result = this.#write(part);
      if (result.lines < part.lines.count) outcomes[index] = new OverloadedError();
      return result;
    });
    const taken = written.filter((result) => result.lines > 0);
    if (taken.length === 0) return Promise.resolve(outcomes);
    return new Promise((resolve) => {
      this.#expect(joined(taken), countLines(taken), (failures) => {
        written.forEach((result, index) => {
          outcomes[index] = failureOf(result, failures) ?? outcomes[index];
        });
        resolve(outcomes);
      });
    });
  }

  /**
   * Takes the lines without waiting; if they are not made durable after all, onLost hears of it.
   * @throws OverloadedError or LogError when they, or some of them, were not taken.
   */
  tryEnqueue(part: AppendPart): void {
    const refusal = this.#refusal(part.lines.byteLength);
    if (refusal !== null) throw refusal;
    const written = this.#write(part);
    if (written.lines > 0) this.#expect(written, written.lines, null);
    if (written.lines < part.lines.count) throw new OverloadedError();
  }

  /** Resolves when nothing is in flight. Does not keep others from appending. */
  drain(): Promise<void> {
    if (this.#pending.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drains.push(resolve));
  }

  /** The writer is gone: everything in flight fails with `code`, and so does all that follows. */
  markFailed(code: LogErrorCode): void {
    this.#dead ??= new LogError(code, "the log's writer has ended");
    const failure = this.#dead;
    while (this.#pending.length > 0) {
      const { firstSequence, throughSequence } = this.#pending.first()!;
      this.#settleFirst({ fromSequence: firstSequence, throughSequence, failure });
    }
  }

  /** Ends the reading of answers; what is still in flight fails. Drain first. */
  close(): void {
    this.#closed = true;
    this.markFailed("RTA_LOG_UNAVAILABLE");
    this.#acks.interrupt();
  }

  /** Why nothing of `bytes` of lines can be taken now, or null. Spares writing half of it. */
  #refusal(bytes: number): AppendFailure | null {
    if (this.#dead !== null) return this.#dead;
    return bytes + FRAME_SLACK_BYTES > this.#ring.freeBytes ? new OverloadedError() : null;
  }

  /** Writes frames until all lines are in the ring or there is no more room. */
  #write(part: AppendPart): Written {
    const { partition, lines } = part;
    assert.ok(partition >= 0 && partition < this.#partitions, `no partition ${partition}`);
    assert.ok(lines.count > 0, "a part has at least one line");
    const origin = this.#originBytes(part);
    const header = APPEND_HEADER_BYTES + origin.length;
    const linesMax = Math.min(LOG_RECORD_BYTES_MAX, this.#ring.frameBytesMax - header);
    const firstSequence = this.#nextSequence;
    let throughSequence = firstSequence;
    let bytes = 0;
    let line = 0;
    while (line < lines.count) {
      const to = lines.runEnd(line, linesMax);
      const frameBytes = header + lines.bytesOf(line, to);
      const frame = this.#ring.tryReserve(FRAME_APPEND, frameBytes);
      if (frame === null) break;
      throughSequence = this.#nextSequence;
      writeAppendHeader(frame, throughSequence, partition, to - line, part.receivedAtMs, origin);
      const end = lines.copyInto(line, to, frame, header);
      assert.equal(end, frameBytes, "the frame is filled");
      this.#ring.commit();
      this.#nextSequence = nextSequence(throughSequence);
      bytes += frameBytes - header;
      line = to;
    }
    return { firstSequence, throughSequence, bytes, lines: line };
  }

  #expect(written: Written, events: number, settle: Pending["settle"]): void {
    const { firstSequence, throughSequence, bytes } = written;
    this.#inFlightBytes += bytes;
    this.#pending.push({ firstSequence, throughSequence, bytes, events, failures: null, settle });
  }

  async #readAcks(): Promise<void> {
    while (!this.#closed) {
      while (this.#acks.peek()) {
        const payload = this.#acks.view;
        if (this.#acks.kind === FRAME_ACK) this.#acked(readAck(payload));
        else if (this.#acks.kind === FRAME_NACK) this.#nacked(payload);
        this.#acks.release();
      }
      await this.#acks.waitReadable();
    }
  }

  #acked(through: number): void {
    let first = this.#pending.first();
    while (first !== undefined && isThrough(first.throughSequence, through)) {
      this.#settleFirst(null);
      first = this.#pending.first();
    }
  }

  #nacked(payload: Uint8Array): void {
    const { fromSequence, throughSequence, code } = readNack(payload);
    const failure = new LogError(code as LogErrorCode, "the log did not take the events");
    const range: FailedRange = { fromSequence, throughSequence, failure };
    let first = this.#pending.first();
    while (first !== undefined && isThrough(first.throughSequence, throughSequence)) {
      this.#settleFirst(range);
      first = this.#pending.first();
    }
    // The last request may reach beyond the commit that failed: the rest is still to be answered.
    if (first !== undefined && isThrough(first.firstSequence, throughSequence)) {
      first.failures = [...(first.failures ?? []), range];
    }
  }

  #settleFirst(range: FailedRange | null): void {
    const pending = this.#pending.shift()!;
    this.#inFlightBytes -= pending.bytes;
    let failures = pending.failures;
    if (range !== null) failures = [...(failures ?? []), range];
    if (pending.settle !== null) pending.settle(failures);
    else if (failures !== null) this.#onLost(pending.events, failures[0].failure);
    if (this.#pending.length > 0 || this.#drains.length === 0) return;
    const drains = this.#drains;
    this.#drains = [];
    for (const drained of drains) drained();
  }

  #originBytes({ project, traceparent = null }: AppendPart): Uint8Array {
    if (traceparent !== null) return encoder.encode(originText({ project, traceparent }));
    let bytes = this.#projects.get(project);
    if (bytes === undefined) {
      if (this.#projects.size === PROJECTS_MAX) this.#projects.clear();
      bytes = encoder.encode(project);
      this.#projects.set(project, bytes);
    }
    return bytes;
  }
}

/** Parts that were written one after the other, as one. */
function joined(parts: readonly Written[]): Written {
  return {
    firstSequence: parts[0].firstSequence,
    throughSequence: parts[parts.length - 1].throughSequence,
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    lines: countLines(parts),
  };
}

function countLines(parts: readonly Written[]): number {
  return parts.reduce((sum, part) => sum + part.lines, 0);
}

/** The failure that touched any frame of a part, or null. */
function failureOf(part: Written, failures: readonly FailedRange[] | null): LogError | null {
  if (failures === null || part.lines === 0) return null;
  for (const range of failures) {
    const touches = isThrough(range.fromSequence, part.throughSequence) &&
      isThrough(part.firstSequence, range.throughSequence);
    if (touches) return range.failure;
  }
  return null;
}
