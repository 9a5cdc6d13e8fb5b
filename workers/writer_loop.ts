/**
 * The log's writer: everything that waits in the ring becomes one commit, then one answer.
 *
 *     ring (APPEND frames) -> gather -> EventLogWriter.append -> acks (ACK or NACK)
 *
 * Group commit by nature: while one commit is being fsynced the next batch gathers in the ring, so
 * an idle log answers after one fsync and a busy one shares each fsync among all who wait. There is
 * no timer that lingers. Trimming goes in bounded steps between commits.
 *
 * A failed commit is answered by a NACK with the log's stable code and the loop goes on: trying
 * again is the client's decision. A broken invariant (a frame out of sequence, a partition that does
 * not exist) throws, which ends the worker.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { WRITER_COMMIT_BYTES_MAX } from "../lib/config/limits.ts";
import {
  AppendHeader,
  type AppendOrigin,
  encodeAck,
  encodeNack,
  FRAME_ACK,
  FRAME_APPEND,
  FRAME_NACK,
  nextSequence,
  readAppendHeader,
  readOrigin,
} from "../lib/log/append_frames.ts";
import { type AppendBatch, type EventLogWriter, LogError } from "../lib/log/event_log.ts";
import { RingReader, RingWriter } from "../lib/ring/ring.ts";

/** While the ring is never empty, messages and timers get their turn this often, ms. */
const YIELD_INTERVAL_MS = 20;

export interface WriterLoopOptions {
  readonly log: EventLogWriter;
  /** From main: APPEND frames. */
  readonly ring: SharedArrayBuffer;
  /** To main: ACK and NACK frames. */
  readonly acks: SharedArrayBuffer;
  /** Hears of the first failed append after a good one, and null when appends work again. */
  readonly onLogState?: (failure: LogError | null) => void;
}

interface TrimRequest {
  readonly storedOffsets: readonly number[];
  readonly receivedBeforeMs: number;
  readonly finished: (records: number, failure: LogError | null) => void;
  records: number;
}

/** Moves frames from the ring to the log until stopped. */
export class WriterLoop {
  readonly #log: EventLogWriter;
  readonly #ring: RingReader;
  readonly #acks: RingWriter;
  readonly #onLogState: (failure: LogError | null) => void;
  readonly #header = new AppendHeader();
  readonly #decoder = new TextDecoder();
  /** The lines of one commit; pages of it that no commit reached take no memory. */
  readonly #gathered = new Uint8Array(WRITER_COMMIT_BYTES_MAX);
  readonly #batches: AppendBatch[] = [];
  #originBytes = new Uint8Array(0);
  #origin: AppendOrigin = { project: "", traceparent: null };
  /** Of the frame read last; -1 before the first. */
  #sequence = -1;
  #failing = false;
  #trim: TrimRequest | null = null;
  #stopping = false;

  constructor(options: WriterLoopOptions) {
    this.#log = options.log;
    this.#ring = new RingReader(options.ring);
    this.#acks = new RingWriter(options.acks);
    this.#onLogState = options.onLogState ?? (() => {});
  }

  /** Runs until stop() was called and the ring is drained. Rejects on a broken invariant. */
  async run(): Promise<void> {
    let yieldAt = performance.now() + YIELD_INTERVAL_MS;
    for (;;) {
      const committed = await this.#commitWaiting();
      const trimmed = !this.#stopping && await this.#trimStep();
      if (!committed && !trimmed) {
        if (this.#stopping) break;
        await this.#ring.waitReadable();
      }
      if (performance.now() >= yieldAt) {
        await new Promise((resolve) => setImmediate(resolve));
        yieldAt = performance.now() + YIELD_INTERVAL_MS;
      }
    }
    this.#trim?.finished(this.#trim.records, null);
    this.#trim = null;
  }

  /** Drains what is in the ring, then ends run(). */
  stop(): void {
    this.#stopping = true;
    this.#ring.interrupt();
  }

  /** Trims step by step until nothing is left to trim; a later request takes the place of this. */
  trim(
    storedOffsets: readonly number[],
    receivedBeforeMs: number,
    finished: TrimRequest["finished"],
  ): void {
    this.#trim?.finished(this.#trim.records, null);
    this.#trim = { storedOffsets, receivedBeforeMs, finished, records: 0 };
    this.#ring.interrupt();
  }

  async #commitWaiting(): Promise<boolean> {
    if (!this.#ring.peek()) return false;
    const fromSequence = this.#gather();
    let failure: LogError | null = null;
    try {
      await this.#log.append(this.#batches);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      failure = error;
    }
    if (failure === null) await this.#answer(FRAME_ACK, encodeAck(this.#sequence));
    else {
      const nack = encodeNack(fromSequence, this.#sequence, failure.code);
      await this.#answer(FRAME_NACK, nack);
    }
    if ((failure !== null) !== this.#failing) this.#onLogState(failure);
    this.#failing = failure !== null;
    return true;
  }

  /** Copies waiting frames out of the ring, up to one commit; returns the first one's sequence. */
  #gather(): number {
    const header = this.#header;
    let bytes = 0;
    let fromSequence = -1;
    this.#batches.length = 0;
    while (this.#ring.peek()) {
      assert.equal(this.#ring.kind, FRAME_APPEND, "frames to the writer are APPEND frames");
      const payload = this.#ring.view;
      assert.ok(payload.length <= this.#gathered.length, "a frame fits into a commit");
      if (bytes + payload.length > this.#gathered.length) break;
      readAppendHeader(payload, header);
      this.#follow(header.sequence);
      if (fromSequence === -1) fromSequence = header.sequence;
      const end = bytes + payload.length - header.originEnd;
      this.#gathered.set(payload.subarray(header.originEnd), bytes);
      this.#batches.push({
        partition: header.partition,
        ...this.#originOf(payload),
        receivedAtMs: header.receivedAtMs,
        events: header.events,
        value: this.#gathered.subarray(bytes, end),
      });
      bytes = end;
      this.#ring.release();
    }
    return fromSequence;
  }

  #follow(sequence: number): void {
    if (this.#sequence !== -1) {
      assert.equal(sequence, nextSequence(this.#sequence), "no frame is missing");
    }
    this.#sequence = sequence;
  }

  /** Frames of one origin usually follow each other: decode it once. */
  #originOf(payload: Uint8Array): AppendOrigin {
    const { originStart, originEnd } = this.#header;
    const length = originEnd - originStart;
    let same = length === this.#originBytes.length;
    for (let i = 0; same && i < length; i++) {
      same = payload[originStart + i] === this.#originBytes[i];
    }
    if (!same) {
      this.#originBytes = payload.slice(originStart, originEnd);
      this.#origin = readOrigin(this.#decoder.decode(this.#originBytes));
    }
    return this.#origin;
  }

  async #answer(kind: number, payload: Uint8Array): Promise<void> {
    while (!this.#acks.tryWrite(kind, payload)) await this.#acks.waitWritable(payload.length);
  }

  async #trimStep(): Promise<boolean> {
    const request = this.#trim;
    if (request === null) return false;
    let records = 0;
    let failure: LogError | null = null;
    try {
      records = await this.#log.trim(request.storedOffsets, request.receivedBeforeMs);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      failure = error;
    }
    request.records += records;
    if (records > 0) return true;
    if (this.#trim === request) this.#trim = null;
    request.finished(request.records, failure);
    return false;
  }
}
