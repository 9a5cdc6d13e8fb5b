import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { type Checkpoint, CheckpointFile } from "./checkpoint.ts";
import { ImportError } from "./import_error.ts";
import { openImport, type ReadOptions } from "./open_import.ts";
import { RefusedRows } from "./refused_rows.ts";
import { type ImportOutcome, runImport } from "./run_import.ts";
import type { Refusal } from "./send_events.ts";

/** A platform that keeps events by id, refuses some, and fails when it is told to. */
class FakePlatform {
  readonly events = new Map<string, Record<string, unknown>>();
  /** Events in each request, in order. */
  readonly requests: number[] = [];
  /** Fails at this request, before or after it is stored. */
  failAt: { request: number; stored: boolean } | null = null;
  onRequest: (request: number) => void = () => {};

  readonly send = async (body: Uint8Array): Promise<readonly Refusal[]> => {
    await Promise.resolve();
    const request = this.requests.length;
    this.onRequest(request);
    const isFailing = this.failAt?.request === request;
    const lines = new TextDecoder().decode(body).trimEnd().split("\n");
    this.requests.push(lines.length);
    if (isFailing && !this.failAt!.stored) throw new ImportError("RTA_IMPORT_SERVER", "down");
    const refusals: Refusal[] = [];
    for (const [index, line] of lines.entries()) {
      if (!this.#store(line)) refusals.push({ index, code: "bad", field: "", message: "bad" });
    }
    if (isFailing) throw new ImportError("RTA_IMPORT_SERVER", "down");
    return refusals;
  };

  #store(line: string): boolean {
    try {
      const event = JSON.parse(line);
      if (event.event_type === "bad") return false;
      this.events.set(event.id, event);
      return true;
    } catch {
      return false;
    }
  }
}

class Scene {
  readonly folder = Deno.makeTempDirSync();
  readonly file = join(this.folder, "events.csv");
  readonly rejected = join(this.folder, "events.csv.rejected.ndjson");
  platform = new FakePlatform();
  restart = false;
  signal: AbortSignal | undefined;
  path = this.file;

  async run(read: ReadOptions = {}, batchEvents = 3): Promise<ImportOutcome> {
    const opened = await openImport(this.path, read);
    return await runImport({
      opened,
      send: this.platform.send,
      checkpoints: await this.checkpoints(read),
      about: {},
      refusedRows: (begins) => new RefusedRows(this.rejected, begins),
      batchEvents,
      restart: this.restart,
      signal: this.signal,
    });
  }

  async checkpoints(read: ReadOptions = {}): Promise<CheckpointFile> {
    const { source, mappingText } = await openImport(this.path, read);
    const { fingerprint } = source;
    return new CheckpointFile(join(this.folder, "state"), {
      fingerprint,
      mapping: mappingText,
      url: "http://a",
    });
  }

  refusedNumbers(): number[] {
    const text = Deno.readTextFileSync(this.rejected).trimEnd();
    return text.split("\n").map((line) => JSON.parse(line).row);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A CSV of so many rows; the columns end the fingerprint's part, so that files can grow. */
function csvOf(rows: number, first = 1): string {
  const head = `user_id,event_type,${"x".repeat(5_000)}\n`;
  let text = first === 1 ? head : "";
  for (let row = first; row < first + rows; row++) text += `u${row},click,${row}\n`;
  return text;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

Deno.test("runImport() sends every row once, in order, in full batches", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(8));
  const outcome = await scene.run();
  assert.equal(outcome.rows, 8);
  assert.equal(outcome.finished, true);
  assert.deepEqual(scene.platform.requests, [3, 3, 2]);
  const users = [...scene.platform.events.values()].map((event) => event.user_id);
  assert.deepEqual(users, ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"]);
});

Deno.test("runImport() sends nothing when the same file was imported before", async () => {
  for (const ending of ["\n", ""]) {
    using scene = new Scene();
    Deno.writeTextFileSync(scene.file, csvOf(8).trimEnd() + ending);
    await scene.run();
    const again = await scene.run();
    assert.equal(again.rowsBefore, 8);
    assert.equal(again.rows, 8);
    scene.path = join(scene.folder, "other.csv.gz");
    Deno.writeFileSync(scene.path, gzipSync(Deno.readFileSync(scene.file)));
    await scene.run();
    assert.equal(sum(scene.platform.requests), 8);
  }
});

Deno.test("runImport() sends the same ids again when it must begin anew", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(8));
  await scene.run();
  Deno.removeSync(join(scene.folder, "state"), { recursive: true });
  await scene.run();
  scene.restart = true;
  await scene.run();
  assert.equal(sum(scene.platform.requests), 24);
  assert.equal(scene.platform.events.size, 8);
});

Deno.test("runImport() sends the new rows only when the file has grown", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(4));
  await scene.run();
  Deno.writeTextFileSync(scene.file, csvOf(3, 5), { append: true });
  const outcome = await scene.run();
  assert.deepEqual([outcome.rowsBefore, outcome.rows], [4, 7]);
  assert.equal(sum(scene.platform.requests), 7);
});

Deno.test("runImport() takes an unfinished last row for a new one when it was finished", async () => {
  using scene = new Scene();
  scene.path = join(scene.folder, "a.ndjson");
  const rows = [1, 2, 3, 4].map((n) => `{"user_id":"u${n}","x":"${"x".repeat(2_000)}"}`);
  const text = rows.join("\n");
  Deno.writeTextFileSync(scene.path, text.slice(0, -10));
  assert.equal((await scene.run()).refused, 1);
  Deno.writeTextFileSync(scene.path, `${text}\n{"user_id":"u5"}`);
  const outcome = await scene.run();
  assert.deepEqual([outcome.rows, outcome.refused], [5, 1]);
  const users = [...scene.platform.events.values()].map((event) => event.user_id);
  assert.deepEqual(users, ["u1", "u2", "u3", "u4", "u5"]);
  assert.deepEqual(scene.platform.requests, [3, 1, 2]);
});

Deno.test("runImport() begins anew when the file reads differently than before", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(6));
  await scene.run();
  Deno.writeTextFileSync(scene.file, csvOf(6).replace("u2,click", "u2,visit"));
  const outcome = await scene.run();
  assert.equal(outcome.otherFile, true);
  assert.equal(scene.platform.events.size, 7);
  Deno.writeTextFileSync(scene.file, csvOf(2)); // and when it became shorter
  assert.equal((await scene.run()).otherFile, true);
});

Deno.test("runImport() keeps refused rows with their reason and goes on", async () => {
  using scene = new Scene();
  const text = csvOf(9).replace("u2,click", "u2,bad").replace("u5,click", "u5,click,more")
    .replace("u9,click", "u9,bad");
  Deno.writeTextFileSync(scene.file, text);
  const outcome = await scene.run();
  assert.deepEqual([outcome.rows, outcome.refused], [9, 3]);
  assert.equal(scene.platform.events.size, 6);
  assert.deepEqual(scene.refusedNumbers(), [2, 5, 9]);
  assert.equal((await scene.run()).refused, 3);
  assert.deepEqual(scene.refusedNumbers(), [2, 5, 9]);
});

Deno.test("runImport() notes what was answered when the platform fails", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(9));
  scene.platform.failAt = { request: 1, stored: false };
  await assert.rejects(scene.run(), /down/);
  const saved = (await scene.checkpoints()).load() as Checkpoint;
  assert.equal(saved.rows, 3);
  scene.platform.failAt = null;
  assert.equal((await scene.run()).rowsBefore, 3);
  assert.equal(scene.platform.events.size, 9);
});

Deno.test("runImport() sends and notes the rows before the place where the file breaks", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, `${csvOf(4)}u5,"click\n`);
  await assert.rejects(scene.run(), /quote/);
  assert.equal(scene.platform.events.size, 4);
  assert.equal((await scene.checkpoints()).load()?.rows, 4);
});

Deno.test("runImport() stops after the batch under way when the signal aborts", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(12));
  const controller = new AbortController();
  scene.signal = controller.signal;
  scene.platform.onRequest = () => controller.abort();
  const outcome = await scene.run();
  assert.equal(outcome.finished, false);
  assert.deepEqual(scene.platform.requests, [3]);
  scene.signal = undefined;
  const rest = await scene.run();
  assert.deepEqual([rest.rowsBefore, rest.rows], [3, 12]);
  assert.deepEqual(scene.platform.requests, [3, 3, 3, 3]);
});

Deno.test("runImport() is unfinished when a send ends with the reason of the signal", async () => {
  using scene = new Scene();
  Deno.writeTextFileSync(scene.file, csvOf(12));
  const controller = new AbortController();
  scene.signal = controller.signal;
  scene.platform.onRequest = () => {
    controller.abort();
    throw controller.signal.reason;
  };
  const outcome = await scene.run();
  assert.deepEqual([outcome.finished, outcome.rows], [false, 0]);
});

Deno.test("runImport() loses and doubles nothing, wherever it is cut off and goes on", async () => {
  const cut = fc.record({ request: fc.nat({ max: 4 }), stored: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 25 }),
      fc.integer({ min: 1, max: 7 }),
      fc.array(cut, { maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 25 }), { maxLength: 3 }),
      async (rows, batch, cuts, badRows) => {
        using scene = new Scene();
        let text = csvOf(rows);
        for (const bad of badRows) text = text.replace(`u${bad},click`, `u${bad},bad`);
        Deno.writeTextFileSync(scene.file, text);
        const bad = new Set(badRows.filter((row) => row <= rows)).size;
        for (const { request, stored } of cuts) {
          scene.platform.failAt = { request: scene.platform.requests.length + request, stored };
          await scene.run({}, batch).catch((error) => assert.ok(error instanceof ImportError));
        }
        scene.platform.failAt = null;
        const outcome = await scene.run({}, batch);
        assert.deepEqual([outcome.rows, outcome.refused], [rows, bad]);
        assert.equal(scene.platform.events.size, rows - bad);
        const sent = scene.platform.requests.length;
        await scene.run({}, batch);
        assert.equal(scene.platform.requests.length, sent);
      },
    ),
    { numRuns: 60 },
  );
});
