import assert from "node:assert/strict";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { LogError } from "../event_log.ts";
import { createKafka } from "./client.ts";

const settings = { brokers: ["127.0.0.1:1"], clientId: "test", tls: null, sasl: null };
const options = { retry: { retries: 3, initialRetryTime: 1 }, requestTimeoutMs: 100 };

// The sanitizers see the timer that kafkajs would set here, and its warning with it.
Deno.test("createKafka() keeps kafkajs from setting a timer when no request waits", () => {
  const queue = new RequestQueue({
    maxInFlightRequests: null,
    requestTimeout: 100,
    enforceRequestTimeout: false,
    clientId: "test",
    broker: "b",
    logger: { debug: () => {}, warn: () => {} },
  });
  queue.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
  assert.equal(queue.throttleCheckTimeoutId, null);
});

Deno.test("createKafka() logs what repeats once", async () => {
  const said: string[] = [];
  const logging = { warn: (message: string) => said.push(message) };
  const admin = createKafka(settings, { ...options, logging }).admin();
  await assert.rejects(admin.connect());
  await admin.disconnect();
  assert.ok(said.length >= 2, `${said}`);
  assert.equal(new Set(said).size, said.length, `${said}`);
  assert.ok(said.every((message) => message.startsWith("kafka client: ")));
});

Deno.test("createKafka() refuses TLS files that cannot be read", () => {
  const tls = { caFile: "no/such/file.pem" };
  assert.throws(
    () => createKafka({ ...settings, tls }, { ...options, logging: null }),
    (error) => error instanceof LogError && error.message.includes("no/such/file.pem"),
  );
});
