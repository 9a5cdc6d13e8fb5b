import assert from "node:assert/strict";
import { StoreError } from "../event_store.ts";
import { isInvalidated, isOutOfMemory, toStoreError } from "./duckdb_error.ts";

const cases = [
  ['IO Error: Could not set lock on file "a": Conflicting lock is held', "RTA_STORE_LOCKED"],
  ['IO Error: Could not write file "a.wal": No space left on device', "RTA_STORE_FULL"],
  ["TransactionContext Error: Failed to commit: File too large", "RTA_STORE_FULL"],
  [
    'IO Error: The file "a" exists, but it is not a valid DuckDB database file!',
    "RTA_STORE_CORRUPT",
  ],
  ["IO Error: Corrupt database file: computed checksum 1 does not match", "RTA_STORE_CORRUPT"],
  ["IO Error: Trying to read a database file with version number 99", "RTA_STORE_FORMAT"],
  ["Out of Memory Error: failed to pin block of size 256.0 KiB", "RTA_STORE_UNAVAILABLE"],
  ["Cannot read properties of undefined", "RTA_STORE_UNAVAILABLE"],
] as const;

for (const [message, code] of cases) {
  Deno.test(`toStoreError() gives ${code} when DuckDB says "${message.slice(0, 40)}"`, () => {
    const cause = new Error(message);
    const error = toStoreError(cause, "commit", "events-000.duckdb");
    assert.equal(error.code, code);
    assert.equal(error.cause, cause);
    assert.ok(error.message.startsWith("store events-000.duckdb: commit failed: "));
  });
}

Deno.test("toStoreError() tells a read that takes too much memory from a commit", () => {
  const cause = new Error("Out of Memory Error: failed to allocate data of size 1.0 MiB");
  assert.equal(toStoreError(cause, "groupRows", "a").code, "RTA_STORE_MEMORY");
  assert.equal(toStoreError(cause, "commit", "a").code, "RTA_STORE_UNAVAILABLE");
});

Deno.test("toStoreError() leaves a StoreError as it is", () => {
  const error = new StoreError("RTA_STORE_LOCKED", "taken");
  assert.equal(toStoreError(error, "open", "a"), error);
});

Deno.test("isInvalidated() tells the end of a database from a failed statement", () => {
  const fatal = "FATAL Error: Failed to create checkpoint because of error: No space left";
  assert.equal(isInvalidated(new Error(fatal)), true);
  const gone = "Connection Error: the database has been invalidated because of a fatal error";
  assert.equal(isInvalidated(new Error(gone)), true);
  assert.equal(isInvalidated(new Error("Parser Error: syntax error")), false);
  assert.equal(isInvalidated(new Error("INTERRUPT Error: Interrupted!")), false);
});

Deno.test("isOutOfMemory() tells a memory limit that was reached from other failures", () => {
  const pin = "TransactionContext Error: Failed to commit: failed to pin block of size 256.0 KiB";
  assert.equal(isOutOfMemory(new Error(pin)), true);
  assert.equal(isOutOfMemory(new Error("Out of Memory Error: failed to allocate data")), true);
  assert.equal(isOutOfMemory(new Error("IO Error: No space left on device")), false);
});
