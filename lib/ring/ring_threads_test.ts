/**
 * Rings between two real threads: order, content, and that nobody sleeps on.
 *
 * This file is its own worker: the peer of each test reads or writes as its orders say. What the
 * tests wait for is always a state in shared memory, never a span of time; a lost wake-up shows as
 * a peer that answers "stuck" after STUCK_MS.
 */
import assert from "node:assert/strict";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { setImmediate } from "node:timers";
import { withDeadline } from "../../tests/support/deadline.ts";
import { createRing, RingReader, RingWriter } from "./ring.ts";
import { WORD_READER_SLEEPS, WORD_WRITER_WANTS } from "./ring_layout.ts";

interface Orders {
  readonly role: "echo" | "read" | "write";
  readonly ring: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  readonly frames: number;
  /** Waits by the event loop instead of blocking the thread. */
  readonly async: boolean;
  /** Frames are this long at most. */
  readonly lengthMax: number;
}

const STUCK_MS = 20_000;

/** The same length for the same frame on both sides; every length up to the maximum comes. */
function lengthOf(frame: number, lengthMax: number): number {
  return (Math.imul(frame, 0x9e3779b1) >>> 8) % (lengthMax + 1);
}

function fill(view: Uint8Array, frame: number): void {
  for (let i = 0; i < view.length; i++) view[i] = (frame + i) & 0xff;
}

/** Null when the frame is right, else what is wrong with it. */
function flaw(reader: RingReader, frame: number, lengthMax: number): string | null {
  if (reader.kind !== frame) return `frame ${reader.kind} instead of ${frame}`;
  const { start, length, bytes } = reader;
  if (length !== lengthOf(frame, lengthMax)) return `frame ${frame} has ${length} bytes`;
  for (let i = 0; i < length; i++) {
    if (bytes[start + i] !== ((frame + i) & 0xff)) return `frame ${frame} differs at byte ${i}`;
  }
  return null;
}

async function writeAll(ring: SharedArrayBuffer, orders: Orders): Promise<string> {
  const writer = new RingWriter(ring);
  for (let frame = 0; frame < orders.frames; frame++) {
    const length = lengthOf(frame, orders.lengthMax);
    let room = writer.tryReserve(frame, length);
    while (room === null) {
      if (orders.async) await writer.waitWritable(length);
      else if (!writer.waitWritableSync(length, STUCK_MS)) return "stuck";
      room = writer.tryReserve(frame, length);
    }
    fill(room, frame);
    writer.commit();
  }
  return "done";
}

async function readAll(ring: SharedArrayBuffer, orders: Orders): Promise<string> {
  const reader = new RingReader(ring);
  for (let frame = 0; frame < orders.frames; frame++) {
    if (!reader.peek()) {
      if (orders.async) await reader.waitReadable();
      else if (!reader.waitReadableSync(STUCK_MS)) return "stuck";
      if (!reader.peek()) return "woken with nothing to read";
    }
    const wrong = flaw(reader, frame, orders.lengthMax);
    if (wrong !== null) return wrong;
    reader.release();
  }
  return reader.peek() ? "a frame too many" : "done";
}

/** Sends each frame back and sleeps in between: a wake-up per frame and direction. */
async function echoAll(orders: Orders): Promise<string> {
  const reader = new RingReader(orders.ring);
  const writer = new RingWriter(orders.back);
  for (let frame = 0; frame < orders.frames; frame++) {
    if (orders.async) await reader.waitReadable();
    else if (!reader.waitReadableSync(STUCK_MS)) return "stuck";
    if (!writer.tryWrite(reader.kind, reader.view)) return "no room to answer";
    reader.release();
  }
  return "done";
}

async function obey(orders: Orders): Promise<void> {
  const outcome = orders.role === "echo"
    ? await echoAll(orders)
    : orders.role === "read"
    ? await readAll(orders.ring, orders)
    : await writeAll(orders.ring, orders);
  parentPort!.postMessage(outcome);
}

/** The work's outcome, or a failure where a lost wake-up would hang the test. */
function orStuck<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, { what: "a wake-up", deadlineMs: STUCK_MS });
}

/** Starts the peer; `outcome` is its last word. */
function startPeer(orders: Orders): { outcome: Promise<string>; worker: Worker } {
  const worker = new Worker(new URL(import.meta.url), { workerData: orders });
  const outcome = new Promise<string>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { outcome, worker };
}

function ordersFor(part: Partial<Orders> & Pick<Orders, "role">): Orders {
  const ring = createRing(4096, 2 ** 32 - 1024);
  const back = createRing(4096);
  return { ring, back, frames: 20_000, async: false, lengthMax: 300, ...part };
}

/** Turns of the event loop until the peer has announced that it sleeps, or `over` says stop. */
async function untilAnnounced(
  ring: SharedArrayBuffer,
  word: number,
  over: () => boolean = () => false,
): Promise<void> {
  const words = new Int32Array(ring);
  while (Atomics.load(words, word) === 0 && !over()) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function defineTests(): void {
  for (const [role, own] of [["read", writeAll], ["write", readAll]] as const) {
    for (const peerAsync of [false, true]) {
      const how = peerAsync ? "waits by promise" : "blocks";
      const title = `Ring keeps order and content when the ${role} side is a worker that ${how}`;
      Deno.test(title, async () => {
        const orders = ordersFor({ role, async: peerAsync });
        const { outcome, worker } = startPeer(orders);
        try {
          const mine = own(orders.ring, { ...orders, async: true });
          assert.deepEqual(await orStuck(Promise.all([mine, outcome])), ["done", "done"]);
        } finally {
          await worker.terminate();
        }
      });
    }
  }

  for (const peerAsync of [false, true]) {
    const how = peerAsync ? "by promise" : "blocked";
    Deno.test(`RingWriter wakes the reader each time when it sleeps ${how}`, async () => {
      const orders = ordersFor({ role: "echo", async: peerAsync, frames: 2000 });
      const { outcome, worker } = startPeer(orders);
      const writer = new RingWriter(orders.ring);
      const reader = new RingReader(orders.back);
      try {
        for (let frame = 0; frame < orders.frames; frame++) {
          // Every hundredth time, surely asleep; else wherever it happens to be on its way there.
          if (frame % 100 === 0) await untilAnnounced(orders.ring, WORD_READER_SLEEPS);
          assert.ok(writer.tryWrite(frame, new Uint8Array(frame % 50)));
          await orStuck(reader.waitReadable());
          assert.equal(reader.kind, frame);
          assert.equal(reader.view.length, frame % 50);
          reader.release();
        }
        assert.equal(await orStuck(outcome), "done");
      } finally {
        await worker.terminate();
      }
    });

    Deno.test(`RingReader wakes the writer each time when it sleeps ${how}`, async () => {
      const orders = ordersFor({ role: "write", async: peerAsync, frames: 3000 });
      const { outcome, worker } = startPeer(orders);
      const reader = new RingReader(orders.ring);
      try {
        let frame = 0;
        let over = false;
        outcome.then(() => over = true, () => over = true);
        while (frame < orders.frames) {
          // The peer sleeps on the full ring, or has written its last frames.
          await orStuck(untilAnnounced(orders.ring, WORD_WRITER_WANTS, () => over));
          while (reader.peek()) {
            assert.equal(flaw(reader, frame, orders.lengthMax), null);
            reader.release();
            frame++;
          }
        }
        assert.equal(await orStuck(outcome), "done");
      } finally {
        await worker.terminate();
      }
    });
  }
}

if (isMainThread) defineTests();
else await obey(workerData as Orders);
