import assert from "node:assert/strict";
import fc from "fast-check";
import { waitUntil, withDeadline } from "../../tests/support/deadline.ts";
import {
  eventStreamResponse,
  EventStreamSource,
  type MessageSource,
  StreamMessage,
} from "./event_stream.ts";
import { socketResponse, wantsSocket } from "./socket_stream.ts";

/** Gives what it is told to, and notes how often it was asked. */
class MadeSource implements MessageSource {
  asked = 0;
  given = 0;
  closed = 0;
  readonly #make: (number: number) => readonly StreamMessage[] | null | Promise<null>;

  constructor(make: (number: number) => readonly StreamMessage[] | null | Promise<null>) {
    this.#make = make;
  }

  async next(): Promise<readonly StreamMessage[] | null> {
    const messages = await this.#make(this.asked++);
    if (messages !== null) this.given += messages.length;
    return messages;
  }

  close(): void {
    this.closed++;
  }
}

/** One of each kind, then the end. */
function threeMessages(): MadeSource {
  const messages = [
    new StreamMessage("window", '{"a":1}', "5s-1"),
    new StreamMessage("missed", "null"),
    new StreamMessage("event", '"\\n\\n data: x"', 'x"y'),
  ];
  return new MadeSource((number) =>
    number === 0 ? messages.slice(0, 2) : number === 1 ? messages.slice(2) : null
  );
}

/** Lets `use` work with a server that answers with the source. */
async function serving(source: MessageSource, use: (port: number) => Promise<void>): Promise<void> {
  const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const server = Deno.serve(options, (request) => {
    return wantsSocket(request.headers)
      ? socketResponse(request, source)
      : eventStreamResponse(source);
  });
  try {
    await use(server.addr.port);
  } finally {
    await withDeadline(server.shutdown(), { what: "the server's end" });
  }
}

Deno.test("eventStreamResponse() writes messages as server-sent events", async () => {
  const response = eventStreamResponse(threeMessages());
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(
    await response.text(),
    'id: 5s-1\nevent: window\ndata: {"a":1}\n\nevent: missed\ndata: null\n\n' +
      'id: x"y\nevent: event\ndata: "\\n\\n data: x"\n\n',
  );
});

Deno.test("EventStreamSource gives back the messages, however the bytes are cut", async () => {
  const bytes = await eventStreamResponse(threeMessages()).bytes();
  await fc.assert(fc.asyncProperty(
    fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 })),
    async (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      const source = new EventStreamSource(ReadableStream.from(chunks));
      const read: StreamMessage[] = [];
      for (let some = await source.next(); some !== null; some = await source.next()) {
        read.push(...some);
      }
      assert.deepEqual(
        read.map(({ event, data, id }) => [event, data, id]),
        [["window", '{"a":1}', "5s-1"], ["missed", "null", null], [
          "event",
          '"\\n\\n data: x"',
          'x"y',
        ]],
      );
    },
  ));
});

/** So many messages of so many bytes are far more than any buffer takes. */
const MANY = 1_000;
const LONG = JSON.stringify("x".repeat(50_000));

function manyMessages(): MadeSource {
  return new MadeSource((number) =>
    number < MANY ? [new StreamMessage("big", LONG, String(number))] : null
  );
}

/** Opens a connection, sends the head of a request and reads nothing. */
async function silentClient(port: number, headers: string): Promise<Deno.TcpConn> {
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await client.write(new TextEncoder().encode(`GET / HTTP/1.1\r\nhost: x\r\n${headers}\r\n`));
  return client;
}

/** Reads a whole stream of another server meanwhile, as a measure of the time that goes by. */
async function readAnother(): Promise<void> {
  await serving(manyMessages(), async (port) => {
    assert.ok((await (await fetch(`http://127.0.0.1:${port}/`)).bytes()).length > MANY * 50_000);
  });
}

Deno.test("eventStreamResponse() asks for more only as the client reads", async () => {
  const source = manyMessages();
  await serving(source, async (port) => {
    const client = await silentClient(port, "");
    await waitUntil(() => source.asked > 0, { what: "the stream's beginning" });
    await readAnother();
    const stoppedAt = source.asked;
    assert.ok(stoppedAt < MANY / 2, `asked for ${stoppedAt} messages that nobody reads`);
    const buffer = new Uint8Array(1 << 20);
    while (source.asked <= MANY / 2) await client.read(buffer);
    client.close();
    await waitUntil(() => source.closed > 0, { what: "the source's end" });
  });
});

Deno.test("socketResponse() sends messages over a WebSocket and ends with the source", async () => {
  await serving(threeMessages(), async (port) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const heard: unknown[] = [];
    socket.onmessage = ({ data }) => heard.push(JSON.parse(data));
    const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
    assert.equal((await withDeadline(closed, { what: "the socket's end" })).code, 1001);
    assert.deepEqual(heard, [
      { event: "window", id: "5s-1", data: { a: 1 } },
      { event: "missed", data: null },
      { event: "event", id: 'x"y', data: "\n\n data: x" },
    ]);
  });
});

Deno.test("socketResponse() asks for no more while the client does not read", async () => {
  const source = manyMessages();
  await serving(source, async (port) => {
    const client = await silentClient(
      port,
      "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    await waitUntil(() => source.asked > 0, { what: "the stream's beginning" });
    await readAnother();
    assert.ok(source.asked < MANY / 2, `asked for ${source.asked} messages that nobody reads`);
    client.close();
    await waitUntil(() => source.closed > 0, { what: "the source's end" });
  });
});

Deno.test("socketResponse() closes the source when the client goes", async () => {
  const never = Promise.withResolvers<null>();
  const source = new MadeSource((number) =>
    number === 0 ? [new StreamMessage("window", "1")] : never.promise
  );
  await serving(source, async (port) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await new Promise((resolve) => socket.onmessage = resolve);
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
    await waitUntil(() => source.closed > 0, { what: "the source's end" });
    never.resolve(null);
  });
});
