import assert from "node:assert/strict";
import type { LogRecord } from "../lib/log/event_log.ts";
import { playFault } from "./play_fault.ts";

const record: LogRecord = {
  partition: 0,
  offset: 0,
  nextOffset: 1,
  events: 1,
  project: "p",
  receivedAtMs: 1,
  value: new TextEncoder().encode('{"id":"1","user_id":"u","event_type":"bad","source":"worse"}\n'),
};

Deno.test("playFault() does nothing when no fault is asked for", () => {
  playFault(null, record, 1_000_000);
});

Deno.test("playFault() throws from the given number of events on", () => {
  playFault({ kind: "throw", afterEvents: 10 }, record, 9);
  assert.throws(() => playFault({ kind: "throw", afterEvents: 10 }, record, 10), /shard throws/);
  assert.throws(() => playFault({ kind: "throw", afterEvents: 10 }, record, 11), /shard throws/);
});

Deno.test("playFault() throws at every event of a poisonous type, however many were applied", () => {
  const poison = (eventType: string) => playFault({ kind: "poison", eventType }, record, 0);
  assert.throws(() => poison("bad"), /this event is poison/);
  poison("ba");
  poison("worst");
});
