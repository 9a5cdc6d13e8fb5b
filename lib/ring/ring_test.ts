import assert from "node:assert/strict";
import fc from "fast-check";
import { withDeadline } from "../../tests/support/deadline.ts";
import { createRing, RING_BYTES_MAX, RingError, RingReader, RingWriter } from "./ring.ts";
import { HEADER_BYTES, WORD_CAPACITY, WORD_HEAD, WORD_TAIL } from "./ring_layout.ts";

/** The model: what a ring must do, said with an array, and with its bytes counted by hand. */
class ModelRing {
  readonly frames: { kind: number; payload: Uint8Array; bytes: number }[] = [];
  tail: number;
  used = 0;

  constructor(readonly capacity: number, start: number) {
    this.tail = start;
  }

  bytesFor(length: number): number {
    const size = 8 + Math.ceil(length / 8) * 8;
    const toEnd = this.capacity - (((this.tail % this.capacity) + this.capacity) % this.capacity);
    return size > toEnd ? toEnd + size : size;
  }

  write(kind: number, payload: Uint8Array): boolean {
    const bytes = this.bytesFor(payload.length);
    if (this.used + bytes > this.capacity) return false;
    this.frames.push({ kind, payload, bytes });
    this.used += bytes;
    this.tail += bytes;
    return true;
  }

  release(): void {
    this.used -= this.frames.shift()!.bytes;
  }
}

/**
 * A thread whose event loop holds nothing but a pending wait would end: hold a timer as well, which
 * also ends a test that hangs.
 */
function withLoopHeld(body: () => Promise<void>): Promise<void> {
  return withDeadline(body(), { what: "a wake-up", deadlineMs: 20_000 });
}

type Step = { do: "write" | "reserve" | "abandon"; kind: number; length: number } | {
  do: "peek" | "release" | "reopenReader" | "reopenWriter" | "drain";
};

function payloadOf(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + salt * 17 + 1) & 0xff);
}

function runSteps(capacity: number, start: number, steps: readonly Step[]): void {
  const ring = createRing(capacity, start);
  const model = new ModelRing(capacity, start);
  let writer = new RingWriter(ring);
  let reader = new RingReader(ring);
  let peeked = false;
  const expectFront = () => {
    const front = model.frames[0];
    assert.equal(reader.peek(), front !== undefined);
    if (front === undefined) return;
    peeked = true;
    assert.equal(reader.kind, front.kind);
    assert.equal(reader.length, front.payload.length);
    assert.deepEqual([...reader.view], [...front.payload]);
    const inPlace = reader.bytes.subarray(reader.start, reader.start + reader.length);
    assert.deepEqual([...inPlace], [...front.payload]);
  };
  const releaseFront = () => {
    reader.release();
    model.release();
    peeked = false;
  };
  steps.forEach((step, salt) => {
    switch (step.do) {
      case "write": {
        const payload = payloadOf(step.length, salt);
        const kind = step.kind;
        assert.equal(writer.tryWrite(kind, payload), model.write(kind, payload));
        break;
      }
      case "reserve": {
        const payload = payloadOf(step.length, salt);
        const room = writer.tryReserve(step.kind, step.length);
        assert.equal(room !== null, model.write(step.kind, payload));
        if (room === null) break;
        assert.equal(room.length, step.length);
        room.set(payload);
        writer.commit();
        break;
      }
      case "abandon":
        writer.tryReserve(step.kind, step.length)?.fill(0xee);
        break;
      case "peek":
        expectFront();
        break;
      case "release":
        if (peeked) releaseFront();
        else assert.throws(() => reader.release(), { code: "RTA_RING_MISUSE" });
        break;
      case "drain":
        for (expectFront(); peeked; expectFront()) releaseFront();
        break;
      case "reopenReader":
        reader = new RingReader(ring);
        peeked = false;
        break;
      case "reopenWriter":
        writer = new RingWriter(ring);
        break;
    }
    assert.equal(writer.freeBytes, capacity - model.used);
    assert.equal(reader.usedBytes, model.used);
  });
  for (expectFront(); peeked; expectFront()) releaseFront();
  assert.equal(reader.usedBytes, 0);
}

function arbitraryStep(frameBytesMax: number): fc.Arbitrary<Step> {
  const kind = fc.oneof(fc.nat(3), fc.constantFrom(0xffffffff, 0x80000000));
  const length = fc.oneof(
    { weight: 3, arbitrary: fc.nat(frameBytesMax) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 7, 8, 9, frameBytesMax) },
  );
  const writing = fc.record({
    do: fc.constantFrom("write" as const, "write" as const, "reserve" as const, "abandon" as const),
    kind,
    length,
  });
  const reading = fc.record({
    do: fc.constantFrom(
      ...(["peek", "peek", "release", "release", "drain", "reopenReader", "reopenWriter"] as const),
    ),
  });
  return fc.oneof({ weight: 3, arbitrary: writing }, { weight: 4, arbitrary: reading });
}

Deno.test("Ring behaves as an array of frames does in any sequence of steps", () => {
  const cases = fc.constantFrom(64, 128, 256, 1024).chain((capacity) =>
    fc.tuple(
      fc.constant(capacity),
      // Positions that wrap around their 32 bits, or their sign, while the test runs.
      fc.constantFrom(0, 8, capacity - 8, 2 ** 31 - 64, 2 ** 32 - 64, 2 ** 32 - 8),
      fc.array(arbitraryStep(capacity / 2 - 8), { maxLength: 120 }),
    )
  );
  fc.assert(
    fc.property(cases, ([capacity, start, steps]) => runSteps(capacity, start, steps)),
    { numRuns: 2000 },
  );
});

Deno.test("RingWriter fills the ring to its last byte when frames fit exactly", () => {
  const ring = createRing(256, 2 ** 32 - 128);
  const writer = new RingWriter(ring);
  for (let i = 0; i < 8; i++) assert.equal(writer.tryWrite(i, payloadOf(24, i)), true);
  assert.equal(writer.freeBytes, 0);
  assert.equal(writer.tryWrite(9, new Uint8Array(0)), false);
  assert.equal(writer.tryReserve(9, 0), null);
  const reader = new RingReader(ring);
  assert.equal(reader.usedBytes, 256);
  for (let i = 0; i < 8; i++) {
    assert.equal(reader.peek(), true);
    assert.equal(reader.kind, i);
    assert.deepEqual([...reader.view], [...payloadOf(24, i)]);
    reader.release();
  }
  assert.equal(reader.peek(), false);
  assert.equal(writer.freeBytes, 256);
});

Deno.test("RingWriter leaves a marker when the frame is larger than the rest", () => {
  const ring = createRing(128);
  const writer = new RingWriter(ring);
  const reader = new RingReader(ring);
  assert.ok(writer.tryWrite(1, payloadOf(48, 1))); // 0 .. 56
  assert.ok(writer.tryWrite(2, payloadOf(40, 2))); // 56 .. 104, so 24 remain
  assert.equal(writer.tryWrite(3, payloadOf(17, 3)), false, "32 bytes fit neither place yet");
  assert.ok(reader.peek());
  reader.release();
  assert.ok(writer.tryWrite(3, payloadOf(17, 3)), "goes to the start of data");
  assert.equal(writer.freeBytes, 128 - 48 - 24 - 32);
  for (const [kind, length] of [[2, 40], [3, 17]]) {
    assert.ok(reader.peek());
    assert.equal(reader.kind, kind);
    assert.deepEqual([...reader.view], [...payloadOf(length, kind)]);
    reader.release();
  }
  assert.equal(reader.peek(), false);
});

Deno.test("RingWriter takes the largest frame at every place of an empty ring", () => {
  for (let start = 0; start < 128; start += 8) {
    const ring = createRing(128, start);
    const writer = new RingWriter(ring);
    assert.ok(writer.tryWrite(1, payloadOf(writer.frameBytesMax, 5)), `at ${start}`);
    const reader = new RingReader(ring);
    assert.ok(reader.peek());
    assert.deepEqual([...reader.view], [...payloadOf(writer.frameBytesMax, 5)]);
  }
});

Deno.test("RingWriter throws RangeError when the frame can never fit", async () => {
  const writer = new RingWriter(createRing(128));
  assert.equal(writer.frameBytesMax, 56);
  for (const length of [57, 128, 2 ** 32, -1, 1.5, NaN]) {
    assert.throws(() => writer.tryReserve(0, length), RangeError);
    assert.throws(() => writer.waitWritableSync(length, 0), RangeError);
    await assert.rejects(writer.waitWritable(length), RangeError);
  }
  assert.throws(() => writer.tryWrite(0, new Uint8Array(57)), RangeError);
  assert.equal(writer.freeBytes, 128);
});

Deno.test("Ring carries empty frames when payloads have no bytes", () => {
  const ring = createRing(64);
  const writer = new RingWriter(ring);
  const reader = new RingReader(ring);
  for (let i = 0; i < 8; i++) assert.ok(writer.tryWrite(i, new Uint8Array(0)));
  assert.equal(writer.tryWrite(8, new Uint8Array(0)), false);
  for (let i = 0; i < 8; i++) {
    assert.ok(reader.peek());
    assert.equal(reader.kind, i);
    assert.equal(reader.view.length, 0);
    reader.release();
  }
});

Deno.test("Ring throws RTA_RING_MISUSE when calls are out of order", () => {
  const ring = createRing(64);
  const writer = new RingWriter(ring);
  const reader = new RingReader(ring);
  assert.throws(() => writer.commit(), { code: "RTA_RING_MISUSE" });
  for (const wrong of ["kind", "length", "start", "view"] as const) {
    assert.throws(() => reader[wrong], { code: "RTA_RING_MISUSE" });
  }
  writer.tryReserve(1, 8);
  writer.commit();
  assert.throws(() => writer.commit(), RingError);
});

Deno.test("createRing() throws RangeError when capacity or start is wrong", () => {
  for (const bytes of [0, 32, 100, 65, -64, NaN, 1.5, RING_BYTES_MAX * 2]) {
    assert.throws(() => createRing(bytes), RangeError);
  }
  for (const start of [1, 4, NaN, 0.5]) assert.throws(() => createRing(64, start), RangeError);
});

Deno.test("Ring throws RTA_RING_CORRUPT when the buffer is not a ring", () => {
  const notRings = [
    new SharedArrayBuffer(0),
    new SharedArrayBuffer(HEADER_BYTES + 64),
    createRing(64).slice(0, HEADER_BYTES + 32),
  ];
  const wrongCapacity = createRing(64);
  new Int32Array(wrongCapacity)[WORD_CAPACITY] = 128;
  notRings.push(wrongCapacity);
  for (const buffer of notRings) {
    assert.throws(() => new RingWriter(buffer), { code: "RTA_RING_CORRUPT" });
    assert.throws(() => new RingReader(buffer), { code: "RTA_RING_CORRUPT" });
  }
});

Deno.test("RingReader throws RTA_RING_CORRUPT when a length or position is impossible", () => {
  for (const length of [0xffffffff, 0xfffffff0, 57, 49]) {
    const ring = createRing(128);
    new RingWriter(ring).tryWrite(1, payloadOf(40, 1));
    new Uint32Array(ring, HEADER_BYTES)[0] = length;
    assert.throws(() => new RingReader(ring).peek(), { code: "RTA_RING_CORRUPT" }, `${length}`);
  }
  for (const word of [WORD_TAIL, WORD_HEAD]) {
    for (const position of [136, -8, 4, 2 ** 31 - 8]) {
      if (word === WORD_HEAD && position === -8) continue; // 8 bytes waiting: a sound distance
      const ring = createRing(128);
      const reader = new RingReader(ring);
      const writer = new RingWriter(ring);
      new Int32Array(ring)[word] = position;
      const look = word === WORD_TAIL ? () => reader.usedBytes : () => writer.freeBytes;
      assert.throws(look, { code: "RTA_RING_CORRUPT" }, `word ${word} = ${position}`);
      assert.throws(() => new RingReader(ring), { code: "RTA_RING_CORRUPT" });
    }
  }
});

Deno.test("waitReadable() resolves when a frame comes on the same thread", () =>
  withLoopHeld(async () => {
    const ring = createRing(64);
    const reader = new RingReader(ring);
    const writer = new RingWriter(ring);
    const readable = Promise.all([reader.waitReadable(), reader.waitReadable()]);
    assert.ok(writer.tryWrite(1, new Uint8Array(3)));
    await readable;
    assert.ok(reader.peek());
    await reader.waitReadable();
  }));

Deno.test("waitWritable() resolves for each waiter when room for it comes", () =>
  withLoopHeld(async () => {
    const ring = createRing(1024);
    const reader = new RingReader(ring);
    const writer = new RingWriter(ring);
    while (writer.tryWrite(1, new Uint8Array(24)));
    assert.equal(writer.freeBytes, 0);
    let waiting = 2;
    const large = writer.waitWritable(500).then(() => waiting--);
    const small = writer.waitWritable(8).then(() => waiting--);
    const releaseMany = (count: number) => {
      for (; count > 0; count--) {
        assert.ok(reader.peek());
        reader.release();
      }
    };
    releaseMany(8); // 256 bytes: a quarter
    await small;
    assert.equal(waiting, 1);
    releaseMany(8);
    await large;
    assert.ok(writer.tryWrite(2, new Uint8Array(500)));
  }));

Deno.test("interrupt() ends pending waits when nothing comes", () =>
  withLoopHeld(async () => {
    const ring = createRing(64);
    const reader = new RingReader(ring);
    const writer = new RingWriter(ring);
    const readable = reader.waitReadable();
    reader.interrupt();
    await readable;
    assert.equal(reader.peek(), false);
    while (writer.tryWrite(1, new Uint8Array(8)));
    const writable = writer.waitWritable(8);
    writer.interrupt();
    await writable;
    assert.equal(writer.tryWrite(1, new Uint8Array(8)), false);
  }));

Deno.test("waitReadableSync() and waitWritableSync() answer false when time is up", () => {
  const ring = createRing(64);
  const reader = new RingReader(ring);
  const writer = new RingWriter(ring);
  assert.equal(reader.waitReadableSync(5), false);
  assert.equal(writer.waitWritableSync(8, 0), true);
  while (writer.tryWrite(1, new Uint8Array(8)));
  assert.equal(writer.waitWritableSync(8, 5), false);
  assert.equal(reader.waitReadableSync(0), true);
});
