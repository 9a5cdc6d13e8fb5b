/**
 * The dead letters of a folder from several threads at once: all open a file that is not there yet,
 * then put letters of their own and letters of all, while the main thread reads, marks and drops.
 *
 * This file is its own worker.
 */
import assert from "node:assert/strict";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { makeDeadLetter } from "./dead_letter.ts";
import { openDeadLetterFile } from "./dead_letter_file.ts";

const THREADS = 3;
const PUTS = 40;
const LETTERS_A_PUT = 25;
/** Starting the threads takes most of it, where their modules are type-checked first. */
const STUCK_MS = 60_000;

interface Orders {
  readonly folder: string;
  readonly thread: number;
}

/** Letters of one put: all but one belong to the thread alone, that one every thread puts. */
function lettersOf(thread: number, put: number) {
  return Array.from({ length: LETTERS_A_PUT }, (_, index) =>
    makeDeadLetter({
      topic: "events",
      partition: index === 0 ? THREADS : thread,
      offset: put * LETTERS_A_PUT + index,
      line: 0,
      project: "shop",
      reason: "invalid_json",
      message: "the text is not valid JSON",
      timeMs: 1_700_000_000_000 + put,
      receivedAtMs: 1_700_000_000_000,
      payload: new Uint8Array(200),
    }));
}

async function putAll({ folder, thread }: Orders): Promise<string> {
  const file = await openDeadLetterFile({ folder });
  for (let put = 0; put < PUTS; put++) await file.put(lettersOf(thread, put));
  await file.close();
  return "done";
}

if (!isMainThread) {
  const answer = await putAll(workerData as Orders).catch((error) => String(error?.stack ?? error));
  parentPort!.postMessage(answer);
} else {
  Deno.test("DeadLetterFile keeps every letter once when threads put at once", async () => {
    const folder = Deno.makeTempDirSync();
    const workers = Array.from({ length: THREADS }, (_, thread) => {
      const orders: Orders = { folder, thread };
      return new Worker(new URL(import.meta.url), { workerData: orders });
    });
    const answers = workers.map((worker) =>
      new Promise<string>((resolve) => worker.once("message", resolve))
    );
    const file = await openDeadLetterFile({ folder });
    try {
      let done = false;
      const all = Promise.all(answers).finally(() => done = true);
      const giveUpAtMs = performance.now() + STUCK_MS;
      let marked = 0;
      while (!done) {
        // Oldest of the page first, so that not the same one is marked again and again.
        const { letters } = await file.page({ state: "waiting", partition: 0 }, 10);
        const marks = letters.slice(-1).map(({ id }) => ({ id, eventId: "e" }));
        marked += await file.markReplayed(marks, 1_700_000_000_000);
        await new Promise((resolve) => setImmediate(resolve));
        assert.ok(performance.now() < giveUpAtMs, "the threads are stuck");
      }
      assert.deepEqual(await all, Array(THREADS).fill("done"));
      const expected = THREADS * PUTS * (LETTERS_A_PUT - 1) + PUTS;
      const { letters, waiting } = await file.totals();
      assert.deepEqual([letters, waiting], [expected, expected - marked]);
      assert.ok(marked > 0, "the main thread came to write as well");
      assert.equal(await file.drop({}), expected);
      const { letters: left, waiting: waits, bytes } = await file.totals();
      assert.deepEqual([left, waits, bytes], [0, 0, 0]);
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
      await file.close();
      Deno.removeSync(folder, { recursive: true });
    }
  });
}
