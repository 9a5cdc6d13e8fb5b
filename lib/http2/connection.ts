/**
 * One connection of HTTP/2 (RFC 9113), either end of it, for gRPC: streams, flow control, settings,
 * pings, and an end for peers that do not keep to the rules. No push, no priorities, no upgrade.
 *
 * This is here because Deno 2.9's own `node:http2` may end the whole process when a connection says
 * goodbye (denoland/deno#36788), and `Deno.serve` can't send the trailers that gRPC ends with.
 *
 *     frames in -> here -> streams (stream.ts)    streams -> here -> send queue -> frames out
 *
 * Memory of a connection is bounded: what was received and not read by the windows, what waits to
 * be sent by the send queue (a peer that does not read is not read from), headers by their limits.
 */
import {
  H2_CONNECTION_WINDOW_BYTES,
  H2_GOODBYE_MS_MAX,
  H2_HEADER_BLOCK_BYTES_MAX,
  H2_HEADER_LIST_BYTES_MAX,
  H2_STREAMS_MAX,
} from "../config/grpc_limits.ts";
import { type ByteSource, FrameReader } from "./frame_reader.ts";
import * as h2 from "./frames.ts";
import { encodeHeaders, type HeaderList, HpackDecoder } from "./hpack.ts";
import { broken, codeOf, ConnectionError, tooMuch, wrongSize } from "./connection_error.ts";
import { FloodGuard } from "./flood_guard.ts";
import { areFields, isRequest } from "./request_headers.ts";
import { greeting, HTTP1_ANSWER, isHttp1, windowAfter } from "./settings.ts";
import { type ByteSink, joined, SendQueue } from "./send_queue.ts";
import { Http2Stream, type StreamConnection, StreamReset } from "./stream.ts";

/** A transport, such as Deno.Conn. */
export interface Http2Transport extends ByteSource, ByteSink {
  close(): void;
}

export interface ConnectionOptions {
  readonly isServer: boolean;
  /** Of a server: a request has begun. */
  readonly onStream?: (stream: Http2Stream) => void;
}

/** A header block that comes in parts. */
interface OpenBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly parts: Uint8Array[];
  bytes: number;
}

export class Http2Connection implements StreamConnection {
  readonly #transport: Http2Transport;
  readonly #isServer: boolean;
  readonly #onStream: (stream: Http2Stream) => void;
  readonly #reader: FrameReader;
  readonly #queue: SendQueue;
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, Http2Stream>();
  #block: OpenBlock | null = null;
  /** The highest stream that the peer, or we, have begun. */
  #lastStreamId = 0;
  #sendWindow = h2.WINDOW_DEFAULT;
  #receiveWindow = H2_CONNECTION_WINDOW_BYTES;
  #owed = 0;
  #peerWindow = h2.WINDOW_DEFAULT;
  /** Of those that wait for room; null = nobody does. */
  #room: PromiseWithResolvers<void> | null = null;
  /** Of a server. */
  readonly #guard: FloodGuard | null;
  #gotSettings = false;
  #leaving = false;
  #closed = false;
  readonly #emptied = Promise.withResolvers<void>();
  #pongs: (() => void)[] = [];

  constructor(transport: Http2Transport, options: ConnectionOptions) {
    this.#transport = transport;
    this.#isServer = options.isServer;
    this.#onStream = options.onStream ?? (() => {});
    this.#guard = options.isServer ? new FloodGuard() : null;
    this.#reader = new FrameReader(transport);
    this.#queue = new SendQueue(transport, () => this.close());
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** No new streams can be opened: the peer, or we, have said goodbye. */
  get isLeaving(): boolean {
    return this.#leaving || this.#closed;
  }

  /** Streams that have not ended. */
  get active(): number {
    return this.#streams.size;
  }

  /** Whether the peer has said what HTTP/2 begins with. */
  get isEstablished(): boolean {
    return this.#gotSettings;
  }

  /** Serves the connection; resolves when it has ended, however that came. */
  async run(): Promise<void> {
    try {
      if (this.#isServer && !await this.#readPreface()) return;
      for (const frame of greeting(this.#isServer)) this.#queue.add(frame);
      do {
        while (this.#reader.takeNext()) this.#receive();
        await this.#queue.room();
      } while (!this.#closed && await this.#reader.more());
    } catch (error) {
      await this.#end(codeOf(error));
    } finally {
      this.close();
    }
  }

  /** Of a client: begins a request. Throws StreamReset when no more can be begun. */
  open(headers: HeaderList, endStream = false): Http2Stream {
    const id = this.#lastStreamId === 0 ? 1 : this.#lastStreamId + 2;
    // A connection has so many streams and no more.
    if (id > h2.WINDOW_MAX) void this.leave();
    if (this.isLeaving) throw new StreamReset(h2.REFUSED_STREAM);
    this.#lastStreamId = id;
    const stream = new Http2Stream(id, null, this, this.#peerWindow);
    this.#streams.set(id, stream);
    stream.sendHeaders(headers, endStream);
    return stream;
  }

  /** Asks the peer for a sign of life; resolves when it has come, or the connection has ended. */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve();
      this.#pongs.push(resolve);
      this.#queue.add(h2.frame(h2.PING, 0, 0, new Uint8Array(8)));
    });
  }

  /** Takes no new streams and ends once those there are have ended. */
  async leave(): Promise<void> {
    if (!this.isLeaving) {
      this.#leaving = true;
      this.#sayGoodbye(h2.NO_ERROR);
    }
    if (this.#streams.size > 0) await this.#emptied.promise;
    await this.#queue.flushed();
    this.close();
  }

  /** Ends the connection and all its streams at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close();
    for (const stream of [...this.#streams.values()]) stream.wasReset(new StreamReset(h2.CANCEL));
    this.#roomCame();
    this.#emptied.resolve();
    this.#answerPings();
    try {
      this.#transport.close();
    } catch {
      // It was closed already.
    }
  }

  sendHeaders(stream: Http2Stream, headers: HeaderList, endStream: boolean): void {
    const block = encodeHeaders(headers);
    for (let at = 0; at === 0 || at < block.length; at += h2.FRAME_BYTES_MAX) {
      const part = block.subarray(at, at + h2.FRAME_BYTES_MAX);
      const isLast = at + h2.FRAME_BYTES_MAX >= block.length;
      const flags = (isLast ? h2.FLAG_END_HEADERS : 0) |
        (at === 0 && endStream ? h2.FLAG_END_STREAM : 0);
      this.#queue.add(h2.frame(at === 0 ? h2.HEADERS : h2.CONTINUATION, flags, stream.id, part));
    }
  }

  sendData(stream: Http2Stream, bytes: Uint8Array, endStream: boolean): number {
    let sent = 0;
    do {
      const room = Math.min(this.#sendWindow, stream.sendWindow, h2.FRAME_BYTES_MAX);
      const length = Math.min(room, bytes.length - sent);
      if (bytes.length > 0 && (length <= 0 || this.#queue.isFull)) return sent;
      const isLast = sent + length === bytes.length;
      const part = bytes.subarray(sent, sent + length);
      const flags = isLast && endStream ? h2.FLAG_END_STREAM : 0;
      this.#queue.add(h2.frame(h2.DATA, flags, stream.id, part));
      this.#sendWindow -= length;
      stream.sendWindow -= length;
      sent += length;
    } while (sent < bytes.length);
    return sent;
  }

  sendReset(stream: Http2Stream, code: number): void {
    this.#queue.add(h2.frame(h2.RST_STREAM, 0, stream.id, h2.words(code)));
  }

  giveRoom(stream: Http2Stream | null, bytes: number): void {
    if (this.#closed) return;
    if (stream !== null) {
      stream.receiveWindow += bytes;
      this.#queue.add(h2.frame(h2.WINDOW_UPDATE, 0, stream.id, h2.words(bytes)));
    }
    this.#owed += bytes;
    if (this.#owed < H2_CONNECTION_WINDOW_BYTES / 4) return;
    this.#receiveWindow += this.#owed;
    this.#queue.add(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.words(this.#owed)));
    this.#owed = 0;
  }

  async roomFor(stream: Http2Stream): Promise<void> {
    if (this.#queue.isFull) return await this.#queue.room();
    const hasRoom = () => this.#sendWindow > 0 && stream.sendWindow > 0;
    while (!hasRoom() && !this.#closed && stream.reset === null && !stream.localEnded) {
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    // Whoever waits to write on it need not any more.
    this.#roomCame();
    if (this.#streams.size === 0 && this.isLeaving) this.#emptied.resolve();
  }

  async #readPreface(): Promise<boolean> {
    const said = await this.#reader.take(h2.PREFACE.length);
    if (said?.every((byte, i) => byte === h2.PREFACE[i])) return true;
    if (said !== null && isHttp1(said)) this.#queue.add(HTTP1_ANSWER);
    await this.#queue.flushed();
    return false;
  }

  #receive(): void {
    const { type, streamId } = this.#reader;
    if (!this.#gotSettings && type !== h2.SETTINGS) throw broken("settings come first");
    if (this.#block !== null && (type !== h2.CONTINUATION || streamId !== this.#block.streamId)) {
      throw broken("a header block is not interrupted");
    }
    switch (type) {
      case h2.DATA:
        return this.#receiveData();
      case h2.HEADERS:
        return this.#receiveHeaders();
      case h2.CONTINUATION:
        return this.#receiveContinuation();
      case h2.PRIORITY:
        return this.#receivePriority();
      case h2.RST_STREAM:
        return this.#receiveReset();
      case h2.SETTINGS:
        return this.#receiveSettings();
      case h2.PUSH_PROMISE:
        throw broken("push is off");
      case h2.PING:
        return this.#receivePing();
      case h2.GOAWAY:
        return this.#receiveGoodbye();
      case h2.WINDOW_UPDATE:
        return this.#receiveRoom();
      default:
        return this.#guard?.idleFrame();
    }
  }

  #receiveData(): void {
    const { streamId, flags, payload } = this.#reader;
    if (streamId === 0) throw broken("data belongs to a stream");
    const [from, to] = this.#reader.unpadded(0);
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) throw tooMuch();
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.remoteEnded || stream.headers === null) {
      this.giveRoom(null, payload.length);
      if (this.#isIdle(streamId)) throw broken("the stream was not begun");
      // After our own reset it may still come; else it is one too many.
      if (stream !== undefined) this.#fail(stream, h2.STREAM_CLOSED);
      else if (this.#isServer) this.#reset(streamId, h2.STREAM_CLOSED);
      return;
    }
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) {
      this.giveRoom(null, payload.length);
      return this.#fail(stream, h2.FLOW_CONTROL_ERROR);
    }
    const padding = payload.length - (to - from);
    if (padding > 0) this.giveRoom(stream, padding);
    const endStream = (flags & h2.FLAG_END_STREAM) !== 0;
    if (from === to && !endStream) return this.#guard?.idleFrame();
    stream.receiveData(payload.slice(from, to), endStream);
    if (stream.reset !== null) this.#guard?.reset();
  }

  #receiveHeaders(): void {
    const { streamId, flags, payload } = this.#reader;
    const isOdd = streamId % 2 === 1;
    if (streamId === 0 || !isOdd) throw broken("headers belong to a stream of the client's");
    const skipped = (flags & h2.FLAG_PRIORITY) !== 0 ? 5 : 0;
    const [from, to] = this.#reader.unpadded(skipped);
    if (skipped > 0 && (h2.uint32At(payload, from - 5) & h2.WINDOW_MAX) === streamId) {
      throw broken("a stream can't depend on itself");
    }
    const endStream = (flags & h2.FLAG_END_STREAM) !== 0;
    this.#block = { streamId, endStream, parts: [payload.slice(from, to)], bytes: to - from };
    if ((flags & h2.FLAG_END_HEADERS) !== 0) this.#endBlock();
  }

  #receiveContinuation(): void {
    const { flags, payload } = this.#reader;
    const block = this.#block;
    if (block === null) throw broken("there is no header block to go on with");
    block.parts.push(payload.slice());
    block.bytes += payload.length;
    const isTooLong = block.bytes > H2_HEADER_BLOCK_BYTES_MAX ||
      block.parts.length > 2 + H2_HEADER_BLOCK_BYTES_MAX / 1_024;
    if (isTooLong) throw new ConnectionError(h2.ENHANCE_YOUR_CALM, "a header block is too long");
    if ((flags & h2.FLAG_END_HEADERS) !== 0) this.#endBlock();
  }

  #endBlock(): void {
    const { streamId, endStream, parts } = this.#block!;
    this.#block = null;
    const block = parts.length === 1 ? parts[0] : joined(parts);
    const headers = this.#decoder.decode(block, H2_HEADER_LIST_BYTES_MAX);
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#moreHeaders(stream, headers, endStream);
    if (!this.#isServer) {
      if (this.#isIdle(streamId)) throw broken("the stream was not begun");
      return;
    }
    if (!this.#isIdle(streamId)) {
      throw new ConnectionError(h2.STREAM_CLOSED, "the stream has ended");
    }
    this.#lastStreamId = streamId;
    this.#guard?.opened();
    if (this.#leaving || this.#streams.size >= H2_STREAMS_MAX) {
      return this.#reset(streamId, h2.REFUSED_STREAM);
    }
    if (headers === null || !isRequest(headers)) {
      this.#guard?.reset();
      return this.#reset(streamId, h2.PROTOCOL_ERROR);
    }
    const begun = new Http2Stream(streamId, headers, this, this.#peerWindow);
    this.#streams.set(streamId, begun);
    if (endStream) begun.receiveData(new Uint8Array(0), true);
    this.#onStream(begun);
  }

  /** Headers on a stream that has some already: trailers, or the first ones of an answer. */
  #moreHeaders(stream: Http2Stream, headers: HeaderList | null, endStream: boolean): void {
    if (stream.remoteEnded) return this.#fail(stream, h2.STREAM_CLOSED);
    const isFirst = stream.headers === null;
    if (headers === null || !areFields(headers) || (!isFirst && !endStream)) {
      return this.#fail(stream, h2.PROTOCOL_ERROR);
    }
    const isInterim = isFirst && /^1\d\d$/.test(headers.find(([n]) => n === ":status")?.[1] ?? "");
    if (isInterim && !endStream) return;
    if (!isFirst && headers.some(([name]) => name.startsWith(":"))) {
      return this.#fail(stream, h2.PROTOCOL_ERROR);
    }
    stream.receiveHeaders(headers, endStream);
  }

  #receivePriority(): void {
    const { streamId, payload } = this.#reader;
    this.#guard?.idleFrame();
    if (streamId === 0) throw broken("priority belongs to a stream");
    if (payload.length !== 5) return this.#reset(streamId, h2.FRAME_SIZE_ERROR);
    if ((h2.uint32At(payload, 0) & h2.WINDOW_MAX) === streamId) {
      this.#reset(streamId, h2.PROTOCOL_ERROR);
    }
  }

  #receiveReset(): void {
    const { streamId, payload } = this.#reader;
    if (streamId === 0 || this.#isIdle(streamId)) throw broken("the stream was not begun");
    if (payload.length !== 4) throw wrongSize();
    const stream = this.#streams.get(streamId);
    this.#guard?.reset();
    stream?.wasReset(new StreamReset(h2.uint32At(payload, 0)));
  }

  #receiveSettings(): void {
    const { streamId, flags, payload } = this.#reader;
    if (streamId !== 0) throw broken("settings belong to the connection");
    if ((flags & h2.FLAG_ACK) !== 0) {
      if (payload.length > 0) throw wrongSize();
      if (!this.#gotSettings) throw broken("settings come first");
      return;
    }
    if (payload.length % 6 !== 0) throw wrongSize();
    this.#gotSettings = true;
    this.#guard?.idleFrame();
    const window = windowAfter(payload, this.#peerWindow);
    if (window !== this.#peerWindow) this.#setPeerWindow(window);
    this.#queue.add(h2.frame(h2.SETTINGS, h2.FLAG_ACK, 0, new Uint8Array(0)));
  }

  /** The window of all streams changes: once a frame, since it costs something for each of them. */
  #setPeerWindow(value: number): void {
    const change = value - this.#peerWindow;
    this.#peerWindow = value;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > h2.WINDOW_MAX) throw tooMuch();
    }
    if (change > 0) this.#roomCame();
  }

  #receivePing(): void {
    const { streamId, flags, payload } = this.#reader;
    if (streamId !== 0) throw broken("a ping belongs to the connection");
    if (payload.length !== 8) throw wrongSize();
    this.#guard?.idleFrame();
    if ((flags & h2.FLAG_ACK) === 0) {
      this.#queue.add(h2.frame(h2.PING, h2.FLAG_ACK, 0, payload));
    } else {
      this.#answerPings();
    }
  }

  #receiveGoodbye(): void {
    const { streamId, payload } = this.#reader;
    if (streamId !== 0) throw broken("a goodbye belongs to the connection");
    if (payload.length < 8) throw wrongSize();
    this.#guard?.idleFrame();
    const isFirst = !this.#leaving;
    this.#leaving = true;
    const lastId = h2.uint32At(payload, 0) & h2.WINDOW_MAX;
    // What the peer never looked at can be tried elsewhere.
    if (!this.#isServer) {
      for (const stream of [...this.#streams.values()]) {
        if (stream.id > lastId) stream.wasReset(new StreamReset(h2.REFUSED_STREAM));
      }
    }
    if (isFirst) void this.leave();
  }

  #receiveRoom(): void {
    const { streamId, payload } = this.#reader;
    if (payload.length !== 4) throw wrongSize();
    const room = h2.uint32At(payload, 0) & h2.WINDOW_MAX;
    if (streamId === 0) {
      if (room === 0) throw broken("no room is no news");
      this.#sendWindow += room;
      if (this.#sendWindow > h2.WINDOW_MAX) throw tooMuch();
      return this.#roomCame();
    }
    if (this.#isIdle(streamId)) throw broken("the stream was not begun");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    if (room === 0) return this.#fail(stream, h2.PROTOCOL_ERROR);
    stream.sendWindow += room;
    if (stream.sendWindow > h2.WINDOW_MAX) return this.#fail(stream, h2.FLOW_CONTROL_ERROR);
    this.#roomCame();
  }

  #isIdle(streamId: number): boolean {
    return streamId > this.#lastStreamId || streamId % 2 === 0;
  }

  #reset(streamId: number, code: number): void {
    this.#queue.add(h2.frame(h2.RST_STREAM, 0, streamId, h2.words(code)));
  }

  /** Resets a stream because of what the peer sent on it. */
  #fail(stream: Http2Stream, code: number): void {
    stream.fail(code);
    this.#guard?.reset();
  }

  #roomCame(): void {
    this.#room?.resolve();
    this.#room = null;
  }

  #answerPings(): void {
    for (const answer of this.#pongs.splice(0)) answer();
  }

  #sayGoodbye(code: number): void {
    const lastId = this.#isServer ? this.#lastStreamId : 0;
    this.#queue.add(h2.frame(h2.GOAWAY, 0, 0, h2.words(lastId, code)));
  }

  async #end(code: number): Promise<void> {
    if (this.#closed) return;
    this.#sayGoodbye(code);
    // A peer that does not read is not waited for.
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, H2_GOODBYE_MS_MAX);
    await Promise.race([this.#queue.flushed(), late.promise]);
    clearTimeout(timer);
  }
}
