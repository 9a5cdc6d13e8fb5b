import assert from "node:assert/strict";
import { listen, ListenError } from "./listen.ts";

const host = "127.0.0.1";
const hello = () => Promise.resolve(new Response("hello"));

Deno.test("listen() opens a free port and answers there when the port is 0", async () => {
  const server = listen({ host, port: 0, handler: hello });
  assert.ok(server.port > 0);
  const response = await fetch(`http://${host}:${server.port}/`);
  assert.equal(await response.text(), "hello");
  await server.stop();
});

Deno.test("listen() says what to do when the port is taken", async () => {
  const server = listen({ host, port: 0, handler: hello });
  assert.throws(
    () => listen({ host, port: server.port, handler: hello }),
    (error) =>
      error instanceof ListenError && error.code === "RTA_PORT_UNAVAILABLE" &&
      error.message.includes(`port ${server.port} on ${host} is taken`),
  );
  await server.stop();
});

Deno.test("listen() refuses a host that is not of this machine", () => {
  assert.throws(() => listen({ host: "192.0.2.1", port: 0, handler: hello }), ListenError);
});

Deno.test("stop() lets a request under way finish and takes no new ones", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const server = listen({
    host,
    port: 0,
    handler: async () => {
      begun.resolve();
      await finish.promise;
      return new Response("done");
    },
  });
  const url = `http://${host}:${server.port}/`;
  const underWay = fetch(url);
  await begun.promise;
  const stopped = server.stop();
  finish.resolve();
  assert.equal(await (await underWay).text(), "done");
  await stopped;
  await server.stop();
  await assert.rejects(fetch(url));
});

Deno.test("stop() waits no longer than it may when a request does not end", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<Response>();
  const server = listen({
    host,
    port: 0,
    handler: () => {
      begun.resolve();
      return finish.promise;
    },
  });
  const underWay = fetch(`http://${host}:${server.port}/`);
  await begun.promise;
  await server.stop(50);
  finish.resolve(new Response("late"));
  assert.equal(await (await underWay).text(), "late");
});
