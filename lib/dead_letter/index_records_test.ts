import assert from "node:assert/strict";
import { makeDeadLetter } from "./dead_letter.ts";
import { openDeadLetterFile } from "./dead_letter_file.ts";
import { encodeDeadLetter } from "./dead_letter_records.ts";
import { indexRecords } from "./index_records.ts";

/** The record of a letter. */
function recordAt(offset: number) {
  return encodeDeadLetter(makeDeadLetter({
    topic: "analytics-events",
    partition: 0,
    offset,
    line: 0,
    project: "shop",
    reason: "invalid_json",
    message: "the text is not valid JSON",
    timeMs: 1_700_000_000_000 + offset,
    receivedAtMs: 1_700_000_000_000,
    payload: Uint8Array.of(0xff, offset),
  }));
}

Deno.test("indexRecords() keeps what is a letter, says what is none, and moves on", async () => {
  const folder = Deno.makeTempDirSync();
  const file = await openDeadLetterFile({ folder });
  try {
    const garbage = { value: Uint8Array.of(1), headers: { version: "7" } };
    const records = [recordAt(4), garbage, recordAt(5), { value: null }];
    const place = { topic: "analytics-events-dlq", partition: 2, nextOffset: 40 };
    const skipped = await indexRecords(file, records, place);
    assert.deepEqual(skipped.map(({ index }) => index), [1, 3]);
    assert.match(skipped[0].why, /version is "7"/);
    assert.equal(await file.indexedOffset("analytics-events-dlq", 2), 40);
    // The same batch again, as after a crash behind the commit, and more.
    await indexRecords(file, [...records, recordAt(6)], { ...place, nextOffset: 41 });
    const { letters } = await file.page({}, 10);
    assert.deepEqual(letters.map(({ offset }) => offset), [6, 5, 4]);
    assert.deepEqual(letters[0].payload, Uint8Array.of(0xff, 6));
    assert.equal(await file.indexedOffset("analytics-events-dlq", 2), 41);
  } finally {
    await file.close();
    Deno.removeSync(folder, { recursive: true });
  }
});
