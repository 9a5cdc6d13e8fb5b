import assert from "node:assert/strict";
import {
  eventStreamResponse,
  type MessageSource,
  StreamMessage,
} from "../../lib/http/event_stream.ts";
import { ProblemError, problemResponse } from "../../lib/http/problem.ts";
import { waitUntil, withDeadline } from "../../tests/support/deadline.ts";
import { LiveClient } from "../../tests/support/live_client.ts";
import { forwardRoutes } from "./forward.ts";

/** Gives messages when it is told to. */
class ToldSource implements MessageSource {
  isClosed = false;
  #give: (messages: readonly StreamMessage[] | null) => void = () => {};
  #next: Promise<readonly StreamMessage[] | null> = this.#promised();

  next(): Promise<readonly StreamMessage[] | null> {
    return this.#next;
  }

  give(message: StreamMessage | null): void {
    const give = this.#give;
    this.#next = this.#promised();
    give(message && [message]);
  }

  close(): void {
    this.isClosed = true;
  }

  #promised(): Promise<readonly StreamMessage[] | null> {
    return new Promise((resolve) => this.#give = resolve);
  }
}

/** An analytics process and a gateway before it; what was asked of the first. */
async function scene(
  answer: (source: ToldSource) => Response,
  use: (gateway: string, source: ToldSource, asked: URL[], stop: () => void) => Promise<void>,
): Promise<void> {
  const source = new ToldSource();
  const asked: URL[] = [];
  const stopping = new AbortController();
  const local = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const analytics = Deno.serve(local, (request) => {
    assert.equal(request.headers.get("upgrade"), null);
    asked.push(new URL(request.url));
    return answer(source);
  });
  const routes = forwardRoutes(
    { origin: `http://127.0.0.1:${analytics.addr.port}`, client: null },
    stopping.signal,
  );
  const gateway = Deno.serve(local, async (request) => {
    try {
      return await routes.fetch(request, { requestId: "r-1" });
    } catch (error) {
      assert.ok(error instanceof ProblemError);
      return problemResponse(error, "r-1");
    }
  });
  routes.onError((error) => {
    throw error;
  });
  try {
    await use(`http://127.0.0.1:${gateway.addr.port}`, source, asked, () => stopping.abort());
  } finally {
    stopping.abort();
    source.give(null);
    await withDeadline(gateway.shutdown(), { what: "the gateway's end" });
    await withDeadline(analytics.shutdown(), { what: "the end of analytics" });
  }
}

const WINDOW = new StreamMessage("window", '{"events":1}', "1s-5");

for (const transport of ["open", "openSocket"] as const) {
  Deno.test(`forwardLive() passes each message on as it comes, by ${transport}()`, async () => {
    await scene(eventStreamResponse, async (gateway, source, asked) => {
      await using client = await LiveClient[transport](`${gateway}/v1/live?window_seconds=1&top=a`);
      assert.equal(asked[0].search, "?window_seconds=1&top=a");
      source.give(WINDOW);
      // The stream goes on: it was not held back.
      const { event, id, data } = await client.waitFor("the message", () => true);
      assert.deepEqual([event, id, data], ["window", "1s-5", { events: 1 }]);
      source.give(null);
      await withDeadline(client.ended, { what: "the stream's end" });
    });
  });

  Deno.test(`forwardLive() tells its clients when it stops, by ${transport}()`, async () => {
    await scene(eventStreamResponse, async (gateway, source, _asked, stop) => {
      await using client = await LiveClient[transport](`${gateway}/v1/live/events`);
      source.give(WINDOW);
      await client.waitFor("the message", () => true);
      stop();
      const { data } = await client.waitFor("the end", ({ event }) => event === "end");
      assert.equal(data.code, "shutting_down");
      await withDeadline(client.ended, { what: "the stream's end" });
      const refused = await fetch(`${gateway}/v1/live`);
      assert.equal((await refused.json()).code, "shutting_down");
    });
  });

  Deno.test(`forwardLive() lets the stream go when its client goes, by ${transport}()`, async () => {
    await scene(eventStreamResponse, async (gateway, source) => {
      const client = await LiveClient[transport](`${gateway}/v1/live`);
      source.give(WINDOW);
      await client.waitFor("the message", () => true);
      await client[Symbol.asyncDispose]();
      await waitUntil(() => {
        // A connection that is gone is noticed when something is sent over it.
        source.give(WINDOW);
        return source.isClosed;
      }, { what: "the source's end" });
    });
  });
}

Deno.test("forwardLive() passes refusals on, also to who asked for a WebSocket", async () => {
  const refuse = () => problemResponse(new ProblemError("too_many_streams", "none is free"), "r-2");
  await scene(refuse, async (gateway) => {
    const answer = await fetch(`${gateway}/v1/live`);
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
    assert.equal((await answer.json()).detail, "none is free");
    await assert.rejects(LiveClient.openSocket(`${gateway}/v1/live`));
  });
});
