import assert from "node:assert/strict";
import fc from "fast-check";
import { LIVE_PARTIAL_BYTES_LEAST, LIVE_PARTIAL_BYTES_MAX } from "../config/limits.ts";
import { Cell } from "../rollup/cell.ts";
import { MINUTE_MS, RollupDelta, SERIES_SPAN } from "../rollup/rollup_delta.ts";
import { crc32 } from "./crc32.ts";
import { decodeLivePartial, encodeLivePartials, type LivePartialInput } from "./live_partial.ts";

const T0 = 1_700_000_000_000;

interface Added {
  readonly series: number;
  readonly minute: number;
  readonly user: number;
  readonly users: number;
}

const added: fc.Arbitrary<Added> = fc.record({
  series: fc.nat(20),
  minute: fc.nat(5),
  user: fc.nat(1000),
  users: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, {
    weight: 1,
    arbitrary: fc.integer({ min: 1000, max: 3000 }),
  }),
});

function deltaOf(events: readonly Added[]): RollupDelta {
  const delta = new RollupDelta();
  for (const { series, minute, user, users } of events) {
    const at = T0 + minute * MINUTE_MS;
    const cell = delta.cellAt(series, at, minute === 0);
    for (let each = user; each < user + users; each++) {
      const hash = Math.imul(each + 1, 0x9e3779b1) >>> 0;
      cell.add(at, hash, each, each, hash, each % 2 === 0 ? each / 4 : NaN);
    }
  }
  return delta;
}

const nameOf = (series: number) => ({ project: "shop", type: `type-${series} ü` });

function inputOf(deltas: readonly Uint8Array[]): LivePartialInput {
  return {
    partition: 7,
    fromOffset: 2 ** 40,
    toOffset: 2 ** 40 + 10,
    publishedAtMs: T0 + 1000,
    firstReceivedAtMs: T0 + 1,
    lastReceivedAtMs: T0 + 2,
    completeUntilMs: T0 + 3,
    deltas,
    seriesOf: nameOf,
  };
}

/** What cells say, by delta of origin and key; in a frame the origin is not known. */
function figures(deltas: readonly RollupDelta[]) {
  return deltas.flatMap((delta) =>
    [...delta.minutes, ...delta.hours].map(([key, cell]) => [
      key,
      cell.events,
      cell.users.estimate(),
      cell.sessions.estimate(),
      cell.amountSum,
    ])
  );
}

/** What the cells of deltas say together of each series. */
function changesOf(deltas: readonly RollupDelta[]) {
  const series = new Map<number, Cell>();
  for (const { minutes, hours } of deltas) {
    for (const [key, cell] of [...minutes, ...hours]) {
      const id = key % SERIES_SPAN;
      if (!series.has(id)) series.set(id, new Cell());
      series.get(id)!.merge(cell);
    }
  }
  return [...series].map(([id, { events, users }]) => (
    { id, ...nameOf(id), events, users: users.estimate() }
  )).sort((a, b) => a.id - b.id);
}

Deno.test("decodeLivePartial() gives back what encodeLivePartials() wrote, in any split", () => {
  fc.assert(
    fc.property(fc.array(fc.array(added, { maxLength: 20 }), { maxLength: 4 }), (batches) => {
      const deltas = batches.map(deltaOf);
      const { seriesOf: _, deltas: __, ...head } = inputOf([]);
      const input = inputOf(deltas.map((delta) => delta.encode()));
      for (const bytesMax of [LIVE_PARTIAL_BYTES_LEAST, LIVE_PARTIAL_BYTES_MAX]) {
        const frames = encodeLivePartials(input, bytesMax);
        const read = frames.map(decodeLivePartial);
        for (const [part, frame] of read.entries()) {
          assert.ok(frames[part].length <= bytesMax);
          const { version, series, deltas, ...rest } = frame;
          assert.deepEqual(rest, { ...head, part, parts: frames.length });
          assert.equal(version, 1);
          assert.deepEqual(
            series.map(({ id, project, type, events, users }) => (
              { id, project, type, events, users: users.estimate() }
            )).sort((a, b) => a.id - b.id),
            changesOf(deltas.map(RollupDelta.decode)),
          );
        }
        const decoded = read.flatMap(({ deltas }) => deltas.map(RollupDelta.decode));
        assert.deepEqual(figures(decoded), figures(deltas));
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("encodeLivePartials() splits only what is too long, between cells", () => {
  const dense = { minute: 1, user: 0, users: 3000 };
  const deltas = Array.from({ length: 12 }, (_, series) => deltaOf([{ series, ...dense }]));
  const input = inputOf(deltas.map((delta) => delta.encode()));
  const frames = encodeLivePartials(input, LIVE_PARTIAL_BYTES_LEAST);
  // Two dense sketches of 16 KiB and one of amounts each: two such cells fit into a frame.
  assert.deepEqual(frames.map((bytes) => decodeLivePartial(bytes).deltas.length), Array(6).fill(2));
  assert.equal(encodeLivePartials(input, LIVE_PARTIAL_BYTES_MAX).length, 1);
  assert.throws(() => encodeLivePartials(input, LIVE_PARTIAL_BYTES_LEAST - 1), RangeError);
});

Deno.test("encodeLivePartials() makes one frame when nothing changed", () => {
  const input = { ...inputOf([]), toOffset: 2 ** 40 };
  const [frame, ...more] = encodeLivePartials(input, LIVE_PARTIAL_BYTES_MAX);
  const { fromOffset, toOffset, deltas, series } = decodeLivePartial(frame);
  assert.deepEqual([more.length, frame.length], [0, 76]);
  assert.deepEqual([fromOffset, toOffset, deltas.length, series.length], [2 ** 40, 2 ** 40, 0, 0]);
});

Deno.test("decodeLivePartial() reads a frame where it lies in shared memory, at any place", () => {
  const dense = deltaOf([{ series: 1, minute: 1, user: 0, users: 3000 }]).encode();
  const [frame] = encodeLivePartials(inputOf([dense]), LIVE_PARTIAL_BYTES_MAX);
  const [expected] = decodeLivePartial(frame).series;
  for (const place of [0, 1, 8]) {
    const shared = new Uint8Array(new SharedArrayBuffer(frame.length + place), place);
    shared.set(frame);
    const [{ type, events, users }] = decodeLivePartial(shared).series;
    shared.fill(0);
    assert.deepEqual([type, events], ["type-1 ü", 3000]);
    assert.deepEqual(users.encode(), expected.users.encode());
  }
});

Deno.test("decodeLivePartial() refuses another version by its number", () => {
  const [frame] = encodeLivePartials(inputOf([]), LIVE_PARTIAL_BYTES_MAX);
  frame[4] = 2;
  assert.throws(() => decodeLivePartial(frame), {
    name: "RangeError",
    message: "a live partial of version 2; this reader knows version 1",
  });
  assert.throws(() => decodeLivePartial(new TextEncoder().encode('{"events":[]} and so on')), {
    name: "RangeError",
    message: /do not begin with RTAL/,
  });
});

Deno.test("decodeLivePartial() refuses a frame with any byte changed, missing or too many", () => {
  const delta = deltaOf([{ series: 1, minute: 1, user: 4, users: 3 }]).encode();
  const [frame] = encodeLivePartials(inputOf([delta]), LIVE_PARTIAL_BYTES_MAX);
  for (let at = 0; at < frame.length; at++) {
    const bytes = frame.slice();
    bytes[at] ^= 0x10;
    assert.throws(() => decodeLivePartial(bytes), RangeError, `byte ${at}`);
    assert.throws(() => decodeLivePartial(frame.subarray(0, at)), RangeError, `length ${at}`);
  }
  assert.throws(() => decodeLivePartial(new Uint8Array([...frame, 0])), RangeError);
});

Deno.test("decodeLivePartial() refuses contents that can't be though the checksum fits", () => {
  const delta = deltaOf([{ series: 1, minute: 1, user: 4, users: 3 }]).encode();
  const [frame] = encodeLivePartials(inputOf([delta]), LIVE_PARTIAL_BYTES_MAX);
  const name = new TextEncoder().encode("shoptype-1 ü").length;
  const deltaAt = 76 + 8 + name + 4;
  const changes: [detail: RegExp, change: (view: DataView) => void][] = [
    [/offsets from 5 to 4/, (view) => {
      view.setFloat64(16, 5, true);
      view.setFloat64(24, 4, true);
    }],
    [/offsets from NaN/, (view) => view.setFloat64(16, NaN, true)],
    [/no offset and changes something/, (view) => view.setFloat64(16, 2 ** 40 + 10, true)],
    [/part 1 of 1/, (view) => view.setUint16(64, 1, true)],
    [/time is -1/, (view) => view.setFloat64(32, -1, true)],
    [/time is NaN/, (view) => view.setFloat64(56, NaN, true)],
    [/cut short/, (view) => view.setUint32(68, 2, true)],
    [/cut short/, (view) => view.setUint32(72, 2, true)],
    [/bytes follow/, (view) => view.setUint32(72, 0, true)],
    [/not UTF-8/, (view) => view.setUint8(76 + 8 + name - 1, 0xff)],
    [/no name/, (view) => view.setUint32(76, 2, true)],
    [/rollup delta can't be read: .*version 1/, (view) => view.setUint32(deltaAt, 2, true)],
    [/rollup delta can't be read: .*cut short/, (view) => view.setUint32(deltaAt + 4, 2, true)],
    [/a series has 4294967296 events/, (view) => view.setFloat64(deltaAt + 8 + 8, 2 ** 32, true)],
    [/a cell has 0.5 events/, (view) => view.setFloat64(deltaAt + 8 + 8, 0.5, true)],
    [/users of a cell can't be read: HyperLogLog/, (view) => view.setUint8(deltaAt + 8 + 60, 9)],
  ];
  for (const [message, change] of changes) {
    const bytes = frame.slice();
    const view = new DataView(bytes.buffer);
    change(view);
    view.setUint32(8, crc32(bytes, 12), true);
    assert.throws(() => decodeLivePartial(bytes), { name: "RangeError", message }, String(message));
  }
});

// --- docs/METRICS_DATA.md ------------------------------------------------------------------------

const DOCUMENT = Deno.readTextFileSync(new URL("../../docs/METRICS_DATA.md", import.meta.url));

/** The document's example: two purchases of two users. */
function exampleFrame(): Uint8Array {
  const delta = new RollupDelta();
  delta.cellAt(5, T0).add(T0, 0x11111111, 0x22222222, 0x33333333, 0x44444444, 19.9);
  delta.cellAt(5, T0).add(T0 + 250, 0x55555555, 0x66666666, 0x77777777, 0x88888888, NaN);
  const [frame] = encodeLivePartials({
    partition: 3,
    fromOffset: 1200,
    toOffset: 1202,
    publishedAtMs: T0 + 1000,
    firstReceivedAtMs: T0 + 300,
    lastReceivedAtMs: T0 + 500,
    completeUntilMs: T0 + 990,
    deltas: [delta.encode()],
    seriesOf: () => ({ project: "default", type: "purchase" }),
  }, LIVE_PARTIAL_BYTES_MAX);
  return frame;
}

/** As `xxd -g1` prints bytes. */
function hexdump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const text = row.map((byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".");
    lines.push(`${at.toString(16).padStart(8, "0")}: ${hex}  ${text.join("")}`);
  }
  return lines.join("\n");
}

Deno.test("docs/METRICS_DATA.md shows the bytes of its example", () => {
  const block = /```text\n(00000000: [\s\S]*?)\n```/.exec(DOCUMENT)?.[1];
  assert.equal(block, hexdump(exampleFrame()));
});

Deno.test("docs/METRICS_DATA.md tells where each field of the example stands", () => {
  const frame = exampleFrame();
  const view = new DataView(frame.buffer);
  const readers: Record<string, (at: number) => number> = {
    u16: (at) => view.getUint16(at, true),
    u32: (at) => view.getUint32(at, true),
    f64: (at) => view.getFloat64(at, true),
  };
  const rows = [...DOCUMENT.matchAll(/^\| (\d+) +\| (\w+) +\| ([^|]+?) +\| ([\d,.]+) +\|/gm)];
  for (const [, at, type, field, value] of rows) {
    assert.equal(readers[type](Number(at)), Number(value.replaceAll(",", "")), field);
  }
  assert.ok(rows.length >= 25, `${rows.length} fields are told`);
});
