import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DEAD_LETTER_PAYLOAD_BYTES_MAX, DEAD_LETTERS_PAGE_BYTES } from "../config/limits.ts";
import { type DeadLetter, makeDeadLetter } from "./dead_letter.ts";
import {
  DeadLetterFile,
  type DeadLetterFileOptions,
  openDeadLetterFile,
} from "./dead_letter_file.ts";
import { DeadLetterError } from "./dead_letter_sink.ts";
import { deadLetterPath } from "./dead_letter_tables.ts";

const NOW_MS = 1_700_000_000_000;

/** A letter at an offset; the higher the offset, the later. */
function letterAt(offset: number, changes: Partial<DeadLetter> = {}): DeadLetter {
  return makeDeadLetter({
    topic: "analytics-events",
    partition: 1,
    offset,
    line: 0,
    project: "shop",
    message: "user_id is missing; send a string",
    timeMs: NOW_MS + offset,
    receivedAtMs: NOW_MS,
    payload: new TextEncoder().encode(`{"n":${offset}}`),
    ...changes,
    reason: "missing_field",
  });
}

const lettersAt = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => letterAt(from + index));

type Open = (options?: Partial<DeadLetterFileOptions>) => Promise<DeadLetterFile>;

/** Runs with a folder of its own; every file opened in it is closed in the end. */
async function withFolder(use: (open: Open, folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const opened: DeadLetterFile[] = [];
  const open: Open = async (options) => {
    const file = await openDeadLetterFile({ folder, ...options });
    opened.push(file);
    return file;
  };
  try {
    await use(open, folder);
  } finally {
    for (const file of opened) await file.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

const offsetsOf = (letters: readonly DeadLetter[]) => letters.map(({ offset }) => offset);

Deno.test("DeadLetterFile keeps letters when it is opened again", async () => {
  await withFolder(async (open) => {
    const file = await open();
    const odd = letterAt(7, { payload: Uint8Array.of(0xff, 0x00, 0x0a), line: 3 });
    await file.put([letterAt(1), odd]);
    await file.close();
    const again = await open();
    const kept = { ...odd, replayedAtMs: null, eventId: null };
    assert.deepEqual(await again.get(odd.id), kept);
    assert.deepEqual((await again.page({}, 10)).letters.map(({ id }) => id), [
      "analytics-events-1-7-3",
      "analytics-events-1-1-0",
    ]);
  });
});

Deno.test("put() changes nothing when a letter is known already", async () => {
  await withFolder(async (open) => {
    const file = await open();
    await file.put(lettersAt(0, 3));
    await file.markReplayed([{ id: letterAt(1).id, eventId: "e-1" }], NOW_MS);
    await file.put([letterAt(1, { message: "another" }), letterAt(3), letterAt(3)]);
    assert.equal((await file.get(letterAt(1).id))?.message, letterAt(1).message);
    assert.deepEqual(await file.counts(), [
      { project: "shop", reason: "missing_field", letters: 4, waiting: 3 },
    ]);
  });
});

Deno.test("get() gives null when the letter is another project's or no letter's", async () => {
  await withFolder(async (open) => {
    const file = await open();
    await file.put([letterAt(5)]);
    assert.equal((await file.get(letterAt(5).id, "shop"))?.offset, 5);
    assert.equal(await file.get(letterAt(5).id, "other"), null);
    assert.equal(await file.get(letterAt(6).id), null);
    assert.equal(await file.get("nonsense"), null);
  });
});

Deno.test("markReplayed() notes the first time and event when it is called again", async () => {
  await withFolder(async (open) => {
    const file = await open();
    await file.put(lettersAt(0, 2));
    const { id } = letterAt(0);
    const marks = [{ id, eventId: "e-1" }, { id: "nonsense", eventId: "e-2" }];
    assert.equal(await file.markReplayed(marks, NOW_MS + 5), 1);
    assert.equal(await file.markReplayed([{ id, eventId: "e-3" }], NOW_MS + 9), 0);
    const { replayedAtMs, eventId } = (await file.get(id))!;
    assert.deepEqual([replayedAtMs, eventId], [NOW_MS + 5, "e-1"]);
    assert.deepEqual(await file.totals().then(({ letters, waiting }) => [letters, waiting]), [
      2,
      1,
    ]);
  });
});

Deno.test("page() finds a text in payloads and messages, byte by byte", async () => {
  await withFolder(async (open) => {
    const file = await open();
    const payload = (text: string) => new TextEncoder().encode(text);
    await file.put([
      letterAt(1, { payload: payload('{"a":"Größe 50 %"}') }),
      letterAt(2, { payload: Uint8Array.of(0xff, ...payload("größe_x"), 0xfe) }),
      letterAt(3, { message: "the key größe is odd" }),
    ]);
    const found = async (text: string) => offsetsOf((await file.page({ text }, 10)).letters);
    assert.deepEqual(await found("größe"), [3, 2]);
    assert.deepEqual(await found("Größe 50 %"), [1]);
    assert.deepEqual(await found("r%e"), []);
    assert.deepEqual(await found(""), [3, 2, 1]);
  });
});

Deno.test("page() ends early when payloads are large, and goes on where it ended", async () => {
  await withFolder(async (open) => {
    const file = await open();
    const payload = new Uint8Array(DEAD_LETTER_PAYLOAD_BYTES_MAX);
    const letters = Array.from({ length: 11 }, (_, offset) => letterAt(offset, { payload }));
    await file.put(letters);
    const first = await file.page({}, 10);
    const fits = DEAD_LETTERS_PAGE_BYTES / DEAD_LETTER_PAYLOAD_BYTES_MAX;
    assert.deepEqual(offsetsOf(first.letters), offsetsOf(letters).reverse().slice(0, fits));
    const second = await file.page({}, 10, first.next);
    assert.deepEqual(offsetsOf(second.letters), offsetsOf(letters).reverse().slice(fits));
    assert.equal(second.next, null);
  });
});

Deno.test("page() goes on behind its place when letters come and go meanwhile", async () => {
  await withFolder(async (open) => {
    const file = await open();
    await file.put(lettersAt(0, 6));
    const first = await file.page({}, 2);
    await file.put(lettersAt(6, 9));
    await file.dropIds([letterAt(4).id, letterAt(3).id]);
    const second = await file.page({}, 2, first.next);
    assert.deepEqual(offsetsOf(second.letters), [2, 1]);
  });
});

Deno.test("page() keeps to the filter when its place is another filter's", async () => {
  await withFolder(async (open) => {
    const file = await open();
    await file.put(lettersAt(0, 6));
    const { next } = await file.page({}, 1);
    const earlier = await file.page({ toMs: NOW_MS + 2 }, 9, next);
    assert.deepEqual(offsetsOf(earlier.letters), [1, 0]);
    const later = await file.page({ fromMs: NOW_MS + 6 }, 9, next);
    assert.deepEqual(offsetsOf(later.letters), []);
  });
});

Deno.test("put() makes room of replayed letters first, then of the oldest that wait", async () => {
  await withFolder(async (open) => {
    const forgotten: number[] = [];
    const file = await open({ lettersMax: 4, onForgotten: (letters) => forgotten.push(letters) });
    await file.put(lettersAt(0, 4));
    await file.markReplayed([{ id: letterAt(3).id, eventId: "e-3" }], NOW_MS);
    await file.put([letterAt(4)]);
    assert.deepEqual(offsetsOf((await file.page({}, 9)).letters), [4, 2, 1, 0]);
    assert.deepEqual(forgotten, []);
    await file.put(lettersAt(5, 8));
    assert.deepEqual(offsetsOf((await file.page({}, 9)).letters), [7, 6, 5, 4]);
    assert.deepEqual(forgotten, [3]);
    const { letters, waiting, forgotten: counted } = await file.totals();
    assert.deepEqual([letters, waiting, counted], [4, 4, 3]);
  });
});

Deno.test("put() stays within its bytes when a flood comes", async () => {
  await withFolder(async (open, folder) => {
    const bytesMax = 2 * 1024 * 1024;
    const file = await open({ bytesMax });
    const payload = new TextEncoder().encode("garbage ".repeat(100));
    for (let offset = 0; offset < 20_000; offset += 1_000) {
      await file.put(
        Array.from({ length: 1_000 }, (_, index) => letterAt(offset + index, { payload })),
      );
    }
    const { letters, bytes, forgotten } = await file.totals();
    assert.ok(bytes <= bytesMax && bytes > 0.9 * bytesMax, `${bytes} bytes`);
    assert.equal(letters + forgotten, 20_000);
    assert.equal((await file.page({}, 1)).letters[0].offset, 19_999);
    await file.close();
    const fileBytes = Deno.statSync(deadLetterPath(folder)).size;
    assert.ok(fileBytes < 2 * bytesMax, `the file has ${fileBytes} bytes`);
  });
});

Deno.test("shrink() gives disk back when much was dropped", async () => {
  await withFolder(async (open, folder) => {
    const file = await open();
    const payload = new Uint8Array(64 * 1024);
    await file.put(Array.from({ length: 200 }, (_, offset) => letterAt(offset, { payload })));
    assert.equal(await file.drop({}), 200);
    for (let call = 0; call < 10; call++) await file.shrink();
    await file.close();
    const fileBytes = Deno.statSync(deadLetterPath(folder)).size;
    assert.ok(fileBytes < 6 * 1024 * 1024, `the file has ${fileBytes} bytes`);
  });
});

Deno.test("putIndexed() keeps letters and place together, or neither", async () => {
  await withFolder(async (open) => {
    const file = await open();
    const place = (nextOffset: number) => ({ topic: "dlq", partition: 0, nextOffset });
    assert.equal(await file.indexedOffset("dlq", 0), null);
    await file.putIndexed([letterAt(1)], place(10));
    await file.putIndexed([], place(12));
    assert.equal(await file.indexedOffset("dlq", 0), 12);
    assert.equal(await file.indexedOffset("dlq", 1), null);
    const broken = { ...letterAt(3), payloadBytes: null as unknown as number };
    await assert.rejects(file.putIndexed([letterAt(2), broken], place(20)), DeadLetterError);
    assert.equal(await file.indexedOffset("dlq", 0), 12);
    assert.equal(await file.get(letterAt(2).id), null);
    assert.equal((await file.totals()).letters, 1);
  });
});

Deno.test("put() waits when another connection writes, and does not block its thread", async () => {
  await withFolder(async (open, folder) => {
    const file = await open();
    const other = new DatabaseSync(deadLetterPath(folder));
    other.exec("BEGIN IMMEDIATE");
    const putting = file.put([letterAt(1)]);
    // Read from the same thread while the put waits: what stands is seen, the new one is not.
    assert.equal((await file.page({}, 10)).letters.length, 0);
    other.exec("COMMIT");
    other.close();
    await putting;
    assert.equal((await file.page({}, 10)).letters.length, 1);
  });
});

Deno.test("openDeadLetterFile() says what is wrong when the file can't be used", async () => {
  await withFolder(async (open, folder) => {
    const code = (code: string) => (error: unknown) =>
      error instanceof DeadLetterError && error.code === code;
    Deno.writeTextFileSync(deadLetterPath(folder), "this is no database at all ".repeat(100));
    await assert.rejects(open(), code("RTA_DEAD_LETTERS_CORRUPT"));
    Deno.removeSync(deadLetterPath(folder));
    await (await open()).close();
    const db = new DatabaseSync(deadLetterPath(folder));
    db.exec("PRAGMA user_version = 99");
    db.close();
    await assert.rejects(open(), code("RTA_DEAD_LETTERS_UNAVAILABLE"));
    await assert.rejects(open({ folder: deadLetterPath(folder) }), /cannot open .*sqlite/);
  });
});

Deno.test("put() says that the file is full when the disk has no room", async () => {
  const folder = Deno.makeTempDirSync();
  await (await openDeadLetterFile({ folder })).close();
  const db = new DatabaseSync(deadLetterPath(folder));
  db.exec("PRAGMA max_page_count = 40");
  const file = new DeadLetterFile(db, { folder });
  try {
    await file.put([letterAt(0)]);
    const payload = new Uint8Array(400_000);
    const isFull = (error: unknown) =>
      error instanceof DeadLetterError && error.code === "RTA_DEAD_LETTERS_FULL";
    await assert.rejects(file.put([letterAt(1), letterAt(2, { payload })]), isFull);
    await file.put([letterAt(3)]);
    assert.deepEqual(offsetsOf((await file.page({}, 9)).letters), [3, 0]);
  } finally {
    await file.close();
    Deno.removeSync(folder, { recursive: true });
  }
});
