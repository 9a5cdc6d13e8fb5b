/**
 * Server-sent events (WHATWG HTML, 9.2): messages as an endless answer that goes at the pace of its
 * reader, and the reading of one.
 *
 * The next message is asked for when the connection takes more, and not before: what a slow client
 * leaves unread waits in the buffers of the operating system and in one message here.
 */

/** A message. Made once and sent to many: its bytes are kept. */
export class StreamMessage {
  #eventText: string | null = null;
  #socketText: string | null = null;
  #bytes: Uint8Array | null = null;

  /**
   * @param event its kind
   * @param data JSON text on one line
   * @param id where a reader that comes back goes on; null = it changes nothing there
   */
  constructor(readonly event: string, readonly data: string, readonly id: string | null = null) {}

  /** As a server-sent event. */
  get eventText(): string {
    const id = this.id === null ? "" : `id: ${this.id}\n`;
    return this.#eventText ??= `${id}event: ${this.event}\ndata: ${this.data}\n\n`;
  }

  /** As a message of a WebSocket: `{"event": ..., "id": ..., "data": ...}`. */
  get socketText(): string {
    const id = this.id === null ? "" : `"id":${JSON.stringify(this.id)},`;
    return this.#socketText ??= `{"event":${JSON.stringify(this.event)},${id}"data":${this.data}}`;
  }

  /** eventText as UTF-8. */
  get bytes(): Uint8Array {
    return this.#bytes ??= encoder.encode(this.eventText);
  }
}

/** Where messages come from, at the pace of whoever asks. */
export interface MessageSource {
  /** The next messages, at least one; null = the end. One call at a time. */
  next(): Promise<readonly StreamMessage[] | null>;
  /** Nobody asks any more. Safe to call twice. */
  close(): void;
}

export const EVENT_STREAM_TYPE = "text/event-stream";

const encoder = new TextEncoder();

/** The messages as an answer. It ends with the source, and closes it when the client goes. */
export function eventStreamResponse(source: MessageSource): Response {
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const messages = await source.next();
      if (messages === null) controller.close();
      else if (messages.length === 1) controller.enqueue(messages[0].bytes);
      else controller.enqueue(encoder.encode(messages.map((each) => each.eventText).join("")));
    },
    cancel: () => source.close(),
  }, { highWaterMark: 0 });
  const headers = {
    "content-type": EVENT_STREAM_TYPE,
    // no-transform: compressing would hold messages back.
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  };
  return new Response(body, { headers });
}

/** The messages of an event stream whose data is JSON on one line, as this module writes it. */
export class EventStreamSource implements MessageSource {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.pipeThrough(new TextDecoderStream() as DecoderPair).getReader();
  }

  async next(): Promise<readonly StreamMessage[] | null> {
    for (;;) {
      const read = await this.#reader.read().catch(() => null);
      if (read === null || read.done) return null;
      const blocks = (this.#rest + read.value).split("\n\n");
      this.#rest = blocks.pop()!;
      const messages = blocks.map(messageOf).filter((each) => each !== null);
      if (messages.length > 0) return messages;
    }
  }

  close(): void {
    this.#reader.cancel().catch(() => {});
  }
}

/** TextDecoderStream as it is; its declared type takes a wider kind of bytes. */
type DecoderPair = ReadableWritablePair<string, Uint8Array>;

function messageOf(block: string): StreamMessage | null {
  const fields = new Map(
    block.split("\n").map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  const data = fields.get("data");
  if (data === undefined) return null;
  return new StreamMessage(fields.get("event") ?? "message", data, fields.get("id") ?? null);
}
