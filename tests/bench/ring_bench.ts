/**
 * Bench: 200-byte frames from one worker to another, by ring and by postMessage.
 *
 * Both move one frame at a time and check each on arrival. Runs are interleaved, so that a busy
 * moment of the machine meets both, and the medians are compared. The ring must be at least 10
 * times as fast.
 */
import { createRing } from "../../lib/ring/ring.ts";
import type { RingBenchOrder } from "./ring_bench_worker.ts";

/** Bytes of one frame: a usual event. */
const FRAME_BYTES = 200;
const RING_FRAMES = 1_000_000;
/** Fewer, as the port queues them without bound; the rate is what counts. */
const PORT_FRAMES = 200_000;
const RING_CAPACITY_BYTES = 2 ** 20;
/** How many times as fast the ring must be. */
export const RING_RATIO_MIN = 10;

export interface RingBenchResult {
  /** Medians, frames per second. */
  readonly ringPerSecond: number;
  readonly postMessagePerSecond: number;
  /** Ring over postMessage. */
  readonly ratio: number;
}

/** Measures both ways `runs` times in turn. */
export async function benchRing(runs = 5): Promise<RingBenchResult> {
  const sender = startWorker();
  const taker = startWorker();
  try {
    await byRing(sender, taker, RING_FRAMES / 10);
    await byPort(sender, taker, PORT_FRAMES / 10);
    const ring: number[] = [];
    const port: number[] = [];
    for (let run = 0; run < runs; run++) {
      ring.push(await byRing(sender, taker, RING_FRAMES));
      port.push(await byPort(sender, taker, PORT_FRAMES));
    }
    const ringPerSecond = median(ring);
    const postMessagePerSecond = median(port);
    return { ringPerSecond, postMessagePerSecond, ratio: ringPerSecond / postMessagePerSecond };
  } finally {
    sender.terminate();
    taker.terminate();
  }
}

function startWorker(): Worker {
  return new Worker(new URL("./ring_bench_worker.ts", import.meta.url), { type: "module" });
}

function byRing(sender: Worker, taker: Worker, frames: number): Promise<number> {
  const ring = createRing(RING_CAPACITY_BYTES);
  const order = { ring, port: null, frames, frameBytes: FRAME_BYTES };
  return framesPerSecond(frames, [
    carryOut(taker, { role: "take", ...order }, []),
    carryOut(sender, { role: "send", ...order }, []),
  ]);
}

function byPort(sender: Worker, taker: Worker, frames: number): Promise<number> {
  const { port1, port2 } = new MessageChannel();
  const order = { ring: null, frames, frameBytes: FRAME_BYTES };
  return framesPerSecond(frames, [
    carryOut(taker, { role: "take", port: port1, ...order }, [port1]),
    carryOut(sender, { role: "send", port: port2, ...order }, [port2]),
  ]);
}

async function framesPerSecond(frames: number, work: Promise<void>[]): Promise<number> {
  const startMs = performance.now();
  await Promise.all(work);
  return frames / ((performance.now() - startMs) / 1000);
}

function carryOut(worker: Worker, order: RingBenchOrder, transfer: Transferable[]): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(order, transfer);
  });
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

if (import.meta.main) {
  const result = await benchRing();
  console.log(
    `ring ${Math.round(result.ringPerSecond / 1000)} k frames/s, ` +
      `postMessage ${Math.round(result.postMessagePerSecond / 1000)} k frames/s, ` +
      `ratio ${result.ratio.toFixed(1)} (at least ${RING_RATIO_MIN})`,
  );
  if (result.ratio < RING_RATIO_MIN) Deno.exit(1);
}
