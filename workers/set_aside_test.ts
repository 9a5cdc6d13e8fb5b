import assert from "node:assert/strict";
import { LETTER_BYTES_PENDING_MAX } from "../lib/config/limits.ts";
import type { DeadLetter } from "../lib/dead_letter/dead_letter.ts";
import { DeadLetterError } from "../lib/dead_letter/dead_letter_sink.ts";
import { LogError, type LogRecord } from "../lib/log/event_log.ts";
import { SetAside } from "./set_aside.ts";

const encoder = new TextEncoder();
const never = () => false;
const line = encoder.encode("no json");

const record: LogRecord = {
  partition: 3,
  offset: 40,
  nextOffset: 50,
  events: 10,
  project: "shop",
  receivedAtMs: 1_000,
  value: encoder.encode("…"),
};

/** A sink that answers as it is told to. */
class ManualSink {
  readonly puts: (readonly DeadLetter[])[] = [];
  /** Called with each put; throws for one that is to fail. */
  answer: () => Promise<void> | void = () => {};

  async put(letters: readonly DeadLetter[]): Promise<void> {
    this.puts.push(letters);
    await this.answer();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function scene() {
  const sink = new ManualSink();
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const aside = new SetAside({ sink, topic: "events", now: () => 2_000, warn });
  return { sink, warnings, aside };
}

Deno.test("put() gives letters of all lines that were added, with place, reason and bytes", async () => {
  const { sink, aside } = scene();
  aside.add(record, 0, line, "invalid_json", "it is none");
  aside.add({ ...record, lineOffsets: [40, 44] }, 1, line, "missing_field", "there is none");
  aside.add({ ...record, lineOffsets: "shared" }, 2, line, "poison", "it failed");
  assert.ok(aside.bytes >= 3 * line.length);
  await aside.put(never);
  assert.equal(aside.bytes, 0);
  const ids = sink.puts.flat().map(({ id }) => id);
  assert.deepEqual(ids, ["events-3-40-0", "events-3-44-0", "events-3-40-2"]);
  assert.deepEqual(sink.puts[0][0], {
    id: "events-3-40-0",
    topic: "events",
    partition: 3,
    offset: 40,
    line: 0,
    project: "shop",
    reason: "invalid_json",
    message: "it is none",
    timeMs: 2_000,
    receivedAtMs: 1_000,
    payload: line,
    payloadBytes: line.length,
  });
  assert.deepEqual(
    aside.putCounts,
    new Map([["invalid_json", 1], ["missing_field", 1], ["poison", 1]]),
  );
  aside.forgetPut();
  assert.equal(aside.putCounts.size, 0);
});

Deno.test("put() does not trouble the sink when nothing was added", async () => {
  const { sink, aside } = scene();
  await aside.put(never);
  assert.deepEqual(sink.puts, []);
});

Deno.test("put() also puts what is added while it waits", async () => {
  const { sink, aside } = scene();
  aside.add(record, 0, line, "invalid_json", "");
  sink.answer = () => {
    if (sink.puts.length === 1) aside.add(record, 1, line, "invalid_json", "");
  };
  await aside.put(never);
  assert.deepEqual(sink.puts.map((letters) => letters.map(({ offset }) => offset)), [[40], [41]]);
  assert.ok(aside.isEmpty);
});

Deno.test("add() counts lines without bytes too, so that a flood of them has an end", () => {
  const { aside } = scene();
  let lines = 0;
  for (; aside.bytes < LETTER_BYTES_PENDING_MAX && lines < 1_000_000; lines++) {
    aside.add(record, lines, new Uint8Array(0), "invalid_json", "the text is not valid JSON");
  }
  assert.ok(lines < 50_000, `${lines} empty lines wait`);
});

Deno.test("put() tries again when the sink or the log is away for a while", async () => {
  for (
    const failure of [
      new DeadLetterError("RTA_DEAD_LETTERS_UNAVAILABLE", "busy"),
      new LogError("RTA_LOG_UNAVAILABLE", "away"),
    ]
  ) {
    const { sink, warnings, aside } = scene();
    aside.add(record, 0, line, "invalid_json", "");
    sink.answer = () => {
      if (sink.puts.length === 1) throw failure;
    };
    await aside.put(never);
    assert.equal(sink.puts.length, 2);
    assert.deepEqual(sink.puts[1], sink.puts[0], "the same letters");
    assert.equal(warnings.length, 1);
    assert.deepEqual(aside.putCounts, new Map([["invalid_json", 1]]), "counted once");
  }
});

Deno.test("put() rejects when trying again can't help, or is not wanted any more", async () => {
  const corrupt = new DeadLetterError("RTA_DEAD_LETTERS_CORRUPT", "broken");
  const away = new LogError("RTA_LOG_UNAVAILABLE", "away");
  const broken = new TypeError("a mistake of ours");
  for (const [failure, givesUp] of [[corrupt, false], [broken, false], [away, true]] as const) {
    const { sink, aside } = scene();
    aside.add(record, 0, line, "invalid_json", "");
    sink.answer = () => {
      throw failure;
    };
    await assert.rejects(aside.put(() => givesUp), failure);
    assert.equal(sink.puts.length, 1);
    assert.equal(aside.putCounts.size, 0);
  }
});
