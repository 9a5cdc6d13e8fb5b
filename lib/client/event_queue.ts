/**
 * Events on their way: a bounded queue that sends batches by count, bytes and time, and tells of
 * each event how it ended.
 *
 *     track -> waiting (one line per form) -> batch under way -> stored | refused
 *
 * Room is taken by an event until it has ended. When there is none, the newest is refused
 * (`queue_full`) and nothing that waits is dropped; room() tells when there is room again. With one
 * request under way per form, events of a form are stored in the order in which they were tracked.
 */
import { type ApiError, clientError } from "./api_error.ts";
import type { ClientSettings } from "./client_options.ts";

/** Which route takes an event. */
export type EventForm = "plain" | "typed";

/** What became of an event that is durable. */
export interface EventReceipt {
  readonly id: string;
}

/** An event, ready to be sent. */
export interface EventLine {
  readonly form: EventForm;
  readonly id: string;
  /** JSON on one line. */
  readonly bytes: Uint8Array;
}

/** Sends a batch; gives for each event null, or why it was refused. Throws when all of it failed. */
export type SendBatch = (
  form: EventForm,
  lines: readonly EventLine[],
  signal: AbortSignal,
) => Promise<readonly (ApiError | null)[]>;

interface Waiting {
  readonly line: EventLine;
  readonly resolve: (receipt: EventReceipt) => void;
  readonly reject: (error: unknown) => void;
  /** Whether it has ended, as when its caller did not want to wait any longer. */
  hasEnded: boolean;
  readonly onEnd: (() => void)[];
  forgetSignal: () => void;
}

/** Events of one form. */
interface Lane {
  waiting: Waiting[];
  bytes: number;
  underWay: number;
  /** Send what there is, however little. */
  isDue: boolean;
  takeBack: (() => void) | null;
}

export class EventQueue {
  readonly #settings: ClientSettings;
  readonly #send: SendBatch;
  readonly #lanes: Record<EventForm, Lane> = { plain: newLane(), typed: newLane() };
  /** Under way. */
  readonly #sent = new Set<Waiting>();
  readonly #stop = new AbortController();
  #events = 0;
  #bytes = 0;
  #isClosed = false;
  #roomWaiters: (() => void)[] = [];

  constructor(settings: ClientSettings, send: SendBatch) {
    this.#settings = settings;
    this.#send = send;
  }

  /** Events that have not ended. */
  get size(): number {
    return this.#events;
  }

  /**
   * Takes an event; resolves when it is durable. Rejects with ApiError, or with the signal's reason:
   * then an event that was not under way will not be sent, and one that was may be stored.
   */
  add(line: EventLine, signal?: AbortSignal): Promise<EventReceipt> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#isClosed) return reject(clientError("client_closed"));
      const { length } = line.bytes;
      if (length > this.#settings.batchBytes) {
        const detail = `the event has ${length} bytes, more than ${this.#settings.batchBytes}`;
        return reject(clientError("event_too_large", { detail }));
      }
      if (!this.#hasRoom(length)) return reject(clientError("queue_full", { isRetryable: true }));
      const waiting: Waiting = {
        ...{ line, resolve, reject, hasEnded: false, onEnd: [], forgetSignal: () => {} },
      };
      this.#events++;
      this.#bytes += length;
      const lane = this.#lanes[line.form];
      if (signal !== undefined) this.#heed(signal, waiting, lane);
      lane.waiting.push(waiting);
      lane.bytes += length;
      this.#consider(lane, line.form);
    });
  }

  /** Resolves when there is room for an event of so many bytes, or the queue is closed. */
  async room(bytes: number, signal?: AbortSignal): Promise<void> {
    while (!this.#hasRoom(bytes) && !this.#isClosed) {
      await until(this.#roomWaiters, signal);
    }
  }

  /** Sends all that waits at once; resolves when every event that was added before has ended. */
  async flush(signal?: AbortSignal): Promise<void> {
    const open = [...this.#sent];
    for (const form of ["plain", "typed"] as const) {
      const lane = this.#lanes[form];
      open.push(...lane.waiting);
      lane.isDue = true;
      this.#consider(lane, form);
    }
    if (open.length === 0) return;
    let left = open.length;
    const allEnded: (() => void)[] = [];
    const oneEnded = () => --left === 0 && wake(allEnded);
    for (const waiting of open) waiting.onEnd.push(oneEnded);
    await until(allEnded, signal);
  }

  /** Takes no more, and resolves when all have ended. */
  async close(signal?: AbortSignal): Promise<void> {
    this.#isClosed = true;
    wake(this.#roomWaiters);
    try {
      await this.flush(signal);
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  #hasRoom(bytes: number): boolean {
    const { queueEvents, queueBytes } = this.#settings;
    // One event always has room in an empty queue.
    return this.#events === 0 ||
      (this.#events < queueEvents && this.#bytes + bytes <= queueBytes);
  }

  #heed(signal: AbortSignal, waiting: Waiting, lane: Lane): void {
    const abort = () => {
      const index = lane.waiting.indexOf(waiting);
      if (index >= 0) {
        lane.waiting.splice(index, 1);
        lane.bytes -= waiting.line.bytes.length;
      }
      this.#end(waiting, signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    waiting.forgetSignal = () => signal.removeEventListener("abort", abort);
  }

  /** Sends what is due, or sets the time when it will be. */
  #consider(lane: Lane, form: EventForm): void {
    const { batchEvents, batchBytes, batchMs, concurrency, clock } = this.#settings;
    while (lane.waiting.length > 0 && lane.underWay < concurrency) {
      const isFull = lane.waiting.length >= batchEvents || lane.bytes >= batchBytes;
      if (!isFull && !lane.isDue) break;
      void this.#sendSome(lane, form);
    }
    if (lane.waiting.length === 0) {
      lane.isDue = false;
      lane.takeBack?.();
      lane.takeBack = null;
    } else if (!lane.isDue) {
      lane.takeBack ??= clock.after(batchMs, () => {
        lane.takeBack = null;
        lane.isDue = true;
        this.#consider(lane, form);
      });
    }
  }

  async #sendSome(lane: Lane, form: EventForm): Promise<void> {
    const batch = this.#takeBatch(lane);
    lane.underWay++;
    for (const waiting of batch) this.#sent.add(waiting);
    try {
      const lines = batch.map(({ line }) => line);
      const verdicts = await this.#send(form, lines, this.#stop.signal);
      batch.forEach((waiting, index) => this.#end(waiting, verdicts[index]));
    } catch (error) {
      for (const waiting of batch) this.#end(waiting, error);
    }
    lane.underWay--;
    this.#consider(lane, form);
  }

  #takeBatch(lane: Lane): Waiting[] {
    const { batchEvents, batchBytes } = this.#settings;
    let count = 0;
    let bytes = 0;
    for (const { line } of lane.waiting) {
      if (count === batchEvents || (count > 0 && bytes + line.bytes.length > batchBytes)) break;
      count++;
      bytes += line.bytes.length;
    }
    lane.bytes -= bytes;
    return lane.waiting.splice(0, count);
  }

  /** @param error null = it is durable */
  #end(waiting: Waiting, error: unknown): void {
    if (waiting.hasEnded) return;
    waiting.hasEnded = true;
    waiting.forgetSignal();
    this.#sent.delete(waiting);
    this.#events--;
    this.#bytes -= waiting.line.bytes.length;
    if (error === null) waiting.resolve({ id: waiting.line.id });
    else waiting.reject(error);
    wake(this.#roomWaiters);
    wake(waiting.onEnd);
  }

  #abandon(): void {
    this.#stop.abort();
    const lost = clientError("client_closed", { mayBeStored: true });
    for (const lane of Object.values(this.#lanes)) {
      lane.takeBack?.();
      lane.takeBack = null;
      lane.bytes = 0;
      for (const waiting of lane.waiting.splice(0)) {
        this.#end(waiting, clientError("client_closed"));
      }
    }
    for (const waiting of [...this.#sent]) this.#end(waiting, lost);
  }
}

/** Resolves when the waiters are woken; rejects with the signal's reason. */
function until(waiters: (() => void)[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    waiters.push(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
  });
}

function newLane(): Lane {
  return { waiting: [], bytes: 0, underWay: 0, isDue: false, takeBack: null };
}

function wake(waiters: (() => void)[]): void {
  for (const each of waiters.splice(0)) each();
}
