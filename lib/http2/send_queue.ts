/**
 * What a connection has to send, in order: gathered within a turn of the event loop, written as one.
 * Whoever adds looks at `isFull` and waits; control frames are let through.
 */
import { H2_SEND_BYTES_MAX } from "../config/grpc_limits.ts";

/** Bytes that go out. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

export class SendQueue {
  readonly #sink: ByteSink;
  readonly #onFailure: (error: unknown) => void;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #writing = false;
  #closed = false;
  #room = Promise.withResolvers<void>();
  #empty: PromiseWithResolvers<void> | null = null;

  constructor(sink: ByteSink, onFailure: (error: unknown) => void) {
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  get isFull(): boolean {
    return this.#bytes >= H2_SEND_BYTES_MAX;
  }

  /** Adds bytes that nobody changes any more. */
  add(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (this.#writing) return;
    this.#writing = true;
    queueMicrotask(() => void this.#write());
  }

  /** Resolves when there is room again, or the queue was closed. */
  async room(): Promise<void> {
    while (this.isFull && !this.#closed) await this.#room.promise;
  }

  /** Resolves when all that was added is sent, or can't be. */
  async flushed(): Promise<void> {
    if (!this.#writing || this.#closed) return;
    this.#empty ??= Promise.withResolvers();
    await this.#empty.promise;
  }

  /** Drops what waits; nothing more is sent. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#bytes = 0;
    this.#room.resolve();
    this.#empty?.resolve();
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const bytes = joined(this.#waiting);
        this.#waiting = [];
        for (let at = 0; at < bytes.length;) at += await this.#sink.write(bytes.subarray(at));
        if (this.#closed) return;
        this.#bytes -= bytes.length;
        this.#room.resolve();
        this.#room = Promise.withResolvers();
      }
      this.#empty?.resolve();
      this.#empty = null;
    } catch (error) {
      this.close();
      this.#onFailure(error);
    } finally {
      this.#writing = false;
    }
  }
}

/** The parts one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
