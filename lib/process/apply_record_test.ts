import assert from "node:assert/strict";
import fc from "fast-check";
import { ID_CHARS_MAX } from "../config/limits.ts";
import type { LogRecord } from "../log/event_log.ts";
import { RollupDelta } from "../rollup/rollup_delta.ts";
import { createRowBatch } from "../store/row_batch.ts";
import { applyRecord, newApplyCounts, type PartitionMemory } from "./apply_record.ts";
import { DedupIndex } from "./dedup_index.ts";
import { HourGrains } from "./hour_grains.ts";
import { SeriesTable } from "./series_table.ts";
import { SessionIndex } from "./session_index.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const RECEIVED_MS = 1_700_000_000_000;

/** A partition's memory, and what was refused of the records that were put into it. */
class Scene {
  readonly counts = newApplyCounts();
  readonly refused: [code: string, line: string, index: number][] = [];
  readonly memory: PartitionMemory;

  constructor(topic = "events") {
    this.memory = {
      topic,
      series: new SeriesTable(),
      dedup: new DedupIndex(3600, 1 << 16),
      sessions: new SessionIndex(1_800_000, 1 << 16),
      grains: new HourGrains(),
      keepsRows: true,
      rows: createRowBatch(4),
      delta: new RollupDelta(),
      tap: null,
    };
  }

  apply(value: string | Uint8Array, more: Partial<LogRecord> = {}): this {
    const bytes = typeof value === "string" ? encoder.encode(value) : value;
    const record: LogRecord = {
      partition: 2,
      offset: 100,
      nextOffset: 200,
      events: 1,
      project: "p",
      receivedAtMs: RECEIVED_MS,
      value: bytes,
      ...more,
    };
    applyRecord(this.memory, record, this.counts, (code, _message, line, index) => {
      this.refused.push([code, decoder.decode(line), index]);
    });
    return this;
  }

  /** Ids of the rows, in their order. */
  get ids(): string[] {
    return this.#texts("id");
  }

  get timesMs(): number[] {
    const { timestampMs, count } = this.memory.rows;
    return Array.from(
      { length: count },
      (_, row) => timestampMs[2 * row] + timestampMs[2 * row + 1] * 0x1_0000_0000,
    );
  }

  get properties(): string[] {
    return this.#texts("properties");
  }

  #texts(name: "id" | "properties"): string[] {
    const { rows } = this.memory;
    return Array.from({ length: rows.count }, (_, row) => {
      const bytes = rows.sources[rows.sourceOf[row]];
      return decoder.decode(bytes.subarray(rows[`${name}Start`][row], rows[`${name}End`][row]));
    });
  }
}

function eventOf(id: string): string {
  return `{"id":"${id}","user_id":"u","event_type":"t","timestamp":1700000000}`;
}

const NAMELESS = '{"user_id":"u","event_type":"t"}';

Deno.test("applyRecord() takes one JSON value over several lines as one event", () => {
  const value = JSON.stringify(
    { id: "a", user_id: "u", event_type: "t", properties: { x: 1 } },
    null,
    2,
  );
  const scene = new Scene().apply(`\n${value}\n\n`, { format: "json", foreign: true });
  assert.deepEqual([scene.ids, scene.timesMs], [["a"], [RECEIVED_MS]]);
  assert.deepEqual(JSON.parse(scene.properties[0]), { x: 1 });
  assert.deepEqual(scene.refused, []);
});

Deno.test("applyRecord() refuses one JSON value as a whole, with all its bytes", () => {
  const two = `${eventOf("a")}\n${eventOf("b")}`;
  for (const value of [two, "", "\n", " ", '{\n"user_id":\n', `${eventOf("a")}\0`]) {
    const scene = new Scene().apply(value, { format: "json", foreign: true });
    assert.deepEqual(scene.refused, [["invalid_json", value, 0]]);
    assert.deepEqual(scene.ids, []);
    assert.deepEqual(scene.counts.rejected, new Map([["invalid_json", 1]]));
  }
});

Deno.test("applyRecord() names events without an id by their place, however they were joined", () => {
  const one = (more: Partial<LogRecord>) => new Scene().apply(NAMELESS, more).ids;
  assert.deepEqual(one({ format: "json" }), ["events-2-100"]);
  const three = `${NAMELESS}\n`.repeat(3);
  const joined = (more: Partial<LogRecord>) => new Scene().apply(three, { events: 3, ...more }).ids;
  assert.deepEqual(joined({}), ["events-2-100", "events-2-101", "events-2-102"]);
  const gaps = { lineOffsets: [100, 107, 150] };
  assert.deepEqual(joined(gaps), ["events-2-100", "events-2-107", "events-2-150"]);
  const shared = { lineOffsets: "shared" } as const;
  assert.deepEqual(joined(shared), ["events-2-100", "events-2-100-1", "events-2-100-2"]);
});

Deno.test("applyRecord() gives no longer id than an event may have, and keeps it apart", () => {
  const long = new Scene("t".repeat(249)).apply(`${NAMELESS}\n${NAMELESS}\n`, { events: 2 });
  assert.deepEqual(long.ids.map((id) => id.length), [ID_CHARS_MAX, ID_CHARS_MAX]);
  assert.ok(long.ids[0].endsWith("t-2-100") && long.ids[1].endsWith("t-2-101"));
});

Deno.test("applyRecord() takes a record's own time for events that have none", () => {
  const scene = new Scene().apply(`${NAMELESS}\n`, { foreign: true, receivedAtMs: 1_234_567 });
  assert.deepEqual(scene.timesMs, [1_234_567]);
});

Deno.test("applyRecord() drops the second event of an id, also where that is the place's", () => {
  const scene = new Scene().apply(`${eventOf("a")}\n${eventOf("a")}\n`, { events: 2 });
  scene.apply(NAMELESS, { format: "json", offset: 300 });
  scene.apply(NAMELESS, { format: "json", offset: 300 });
  assert.deepEqual(scene.ids, ["a", "events-2-300"]);
  assert.deepEqual([scene.counts.processed, scene.counts.duplicates], [2, 2]);
});

Deno.test("applyRecord() refuses lines with their bytes and numbers, blank ones aside", () => {
  const lines = ["\x01\x02x", " \t{}", "", "  \r", eventOf("a"), ` ${eventOf("b")} \r`, "\0", "é"];
  const scene = new Scene().apply(lines.join("\n"), { events: lines.length });
  assert.deepEqual(scene.ids, ["a", "b"]);
  assert.deepEqual(scene.refused, [
    ["invalid_json", "\x01\x02x", 0],
    ["missing_field", " \t{}", 1],
    ["invalid_json", "\0", 6],
    ["invalid_json", "é", 7],
  ]);
});

const value = fc.oneof(
  fc.nat(20).map((n) => eventOf(`e${n}`)),
  fc.constantFrom(NAMELESS, "{}", "[1]", "x", "\x01", "\x0b{}", `\x0c${eventOf("f")}`),
  fc.tuple(fc.constantFrom(" ", "\t", "\r"), fc.nat(9)).map(([c, n]) => c + eventOf(`s${n}`) + c),
  fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => String.fromCharCode(...bytes)),
);

Deno.test("applyRecord() gives a line the verdict that it would get as a record of its own", () => {
  const isBlank = (text: string) => /^[ \t\r]*$/.test(text);
  const values = fc.array(value.filter((text) => !text.includes("\n") && !isBlank(text)), {
    maxLength: 20,
  });
  fc.assert(fc.property(values, (texts) => {
    const joined = new Scene().apply(texts.map((text) => `${text}\n`).join(""), {
      events: texts.length,
    });
    const apart = new Scene();
    const refused: Scene["refused"] = [];
    texts.forEach((text, index) => {
      const before = apart.refused.length;
      apart.apply(text, { format: "json", offset: 100 + index });
      for (const [code, line] of apart.refused.slice(before)) refused.push([code, line, index]);
    });
    assert.deepEqual(joined.refused, refused);
    assert.deepEqual(joined.ids, apart.ids);
    assert.deepEqual(joined.timesMs, apart.timesMs);
    assert.deepEqual(joined.counts, apart.counts);
  }));
});
