/**
 * One stream of a connection: a request and its answer, each headers, data and trailers. Both sides
 * are held back by flow control: what is not read here gives the peer no more room, and writing
 * waits for room at the peer.
 */
import { H2_STREAM_WINDOW_BYTES } from "../config/grpc_limits.ts";
import { ChunkList } from "./chunk_list.ts";
import { CANCEL, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED } from "./frames.ts";
import type { HeaderList } from "./hpack.ts";

/** What a stream needs of its connection. */
export interface StreamConnection {
  sendHeaders(stream: Http2Stream, headers: HeaderList, endStream: boolean): void;
  /** Sends as much as there is room for; gives how many bytes that was. */
  sendData(stream: Http2Stream, bytes: Uint8Array, endStream: boolean): number;
  sendReset(stream: Http2Stream, code: number): void;
  /** The peer may send so many bytes more on this stream, and on the connection. */
  giveRoom(stream: Http2Stream | null, bytes: number): void;
  /** Resolves when more may be written, or the stream has ended. */
  roomFor(stream: Http2Stream): Promise<void>;
  forget(stream: Http2Stream): void;
}

/** Why a stream ended before its time: a code of RFC 9113, section 7. */
export class StreamReset extends Error {
  constructor(readonly code: number) {
    super(`the stream was reset with code ${code}`);
    this.name = "StreamReset";
  }
}

export class Http2Stream {
  /** Room at the peer, bytes; may be negative after a change of settings. */
  sendWindow: number;
  /** What the peer may still send, bytes. */
  receiveWindow = H2_STREAM_WINDOW_BYTES;
  /** Trailers of the peer, once it has ended with some. */
  trailers: HeaderList | null = null;
  /** The peer will send no more; we will send no more. */
  remoteEnded = false;
  localEnded = false;
  /** Called when the stream is reset by the peer, or its connection has ended. */
  onReset: ((reset: StreamReset) => void) | null = null;
  #reset: StreamReset | null = null;
  readonly #connection: StreamConnection;
  /** Received and not read yet. */
  readonly #chunks = new ChunkList();
  /** Read, and not given back to the peer as room yet, bytes. */
  #owed = 0;
  #wake: (() => void) | null = null;
  #headers: HeaderList | null;
  /** What content-length promises and has not come yet, bytes; NaN = it promises nothing. */
  #promised: number;

  constructor(
    readonly id: number,
    headers: HeaderList | null,
    connection: StreamConnection,
    sendWindow: number,
  ) {
    this.#headers = headers;
    this.#promised = Number(this.header("content-length") ?? NaN);
    this.#connection = connection;
    this.sendWindow = sendWindow;
  }

  /** Headers of the peer: of a request always there. */
  get headers(): HeaderList | null {
    return this.#headers;
  }

  get reset(): StreamReset | null {
    return this.#reset;
  }

  /** The first value of a header of the peer, or null. */
  header(name: string): string | null {
    return this.#headers?.find(([each]) => each === name)?.[1] ?? null;
  }

  /** Waits for the headers of a response. Throws StreamReset. */
  async response(): Promise<HeaderList> {
    while (this.#headers === null) {
      if (this.#reset !== null) throw this.#reset;
      await this.#change();
    }
    return this.#headers;
  }

  /** The next data of the peer if it is here already. */
  readNow(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#giveRoom(chunk.length);
    return chunk;
  }

  /** The next data of the peer; null = it has ended. Throws StreamReset. */
  async read(): Promise<Uint8Array | null> {
    while (true) {
      const chunk = this.readNow();
      if (chunk !== undefined) return chunk;
      // An answer that is whole stays so when the peer then says that it reads no more.
      const isWhole = this.remoteEnded && (this.#reset?.code ?? NO_ERROR) === NO_ERROR;
      if (isWhole) return null;
      if (this.#reset !== null) throw this.#reset;
      await this.#change();
    }
  }

  /** Sends headers: those that begin, or the trailers that end. */
  sendHeaders(headers: HeaderList, endStream = false): void {
    if (this.#reset !== null || this.localEnded) return;
    this.localEnded = endStream;
    this.#connection.sendHeaders(this, headers, endStream);
    if (endStream) this.#endIfDone();
  }

  /** Sends data; resolves when all of it is on its way. Throws StreamReset, also after the end. */
  async write(bytes: Uint8Array, endStream = false): Promise<void> {
    let from = 0;
    while (true) {
      if (this.#reset !== null) throw this.#reset;
      if (this.localEnded) throw new StreamReset(STREAM_CLOSED);
      from += this.#connection.sendData(this, bytes.subarray(from), endStream);
      if (from === bytes.length) break;
      await this.#connection.roomFor(this);
    }
    if (!endStream) return;
    this.localEnded = true;
    this.#endIfDone();
  }

  /** Ends the stream at once. */
  cancel(code: number = CANCEL): void {
    if (this.#reset !== null || (this.localEnded && this.remoteEnded)) return;
    this.#connection.sendReset(this, code);
    this.wasReset(new StreamReset(code), false);
  }

  /** What has come and was not read will not be: it is room for other streams. */
  discard(): void {
    const unread = this.#chunks.clear() + this.#owed;
    this.#owed = 0;
    if (unread > 0) this.#connection.giveRoom(null, unread);
  }

  /** The connection's: the peer broke the rules of this stream; whoever serves it is told. */
  fail(code: number): void {
    if (this.#reset !== null) return;
    this.#connection.sendReset(this, code);
    this.wasReset(new StreamReset(code));
  }

  /** The connection's: headers have come, the first ones or trailers. */
  receiveHeaders(headers: HeaderList, endStream: boolean): void {
    if (this.#headers === null) this.#headers = headers;
    else this.trailers = headers;
    if (endStream) this.#remoteEnds();
    this.#changed();
  }

  /** The connection's: data has come; the bytes are the stream's own. */
  receiveData(bytes: Uint8Array, endStream: boolean): void {
    this.#promised -= bytes.length;
    const isBroken = this.#promised < 0 || (endStream && this.#promised > 0);
    this.#chunks.push(bytes);
    if (isBroken) return this.fail(PROTOCOL_ERROR);
    if (endStream) this.#remoteEnds();
    this.#changed();
  }

  /** The connection's: nothing more will come or go. */
  wasReset(reset: StreamReset, tells = true): void {
    if (this.#reset !== null) return;
    this.#reset = reset;
    if (reset.code !== NO_ERROR || !this.remoteEnded) this.discard();
    this.#connection.forget(this);
    this.#changed();
    if (tells) this.onReset?.(reset);
  }

  /** Whether the peer's answer is whole: nothing was reset. */
  get isDone(): boolean {
    return this.localEnded && this.remoteEnded;
  }

  #remoteEnds(): void {
    this.remoteEnded = true;
    // The stream needs no more room; the connection does.
    if (this.#owed > 0) this.#giveRoom(0);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.isDone) this.#connection.forget(this);
  }

  /** Gives room back when half of the window was read, not for each byte. */
  #giveRoom(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed < H2_STREAM_WINDOW_BYTES / 2 && !this.remoteEnded) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#connection.giveRoom(this.remoteEnded ? null : this, owed);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #changed(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
