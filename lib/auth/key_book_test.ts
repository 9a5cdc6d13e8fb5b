import assert from "node:assert/strict";
import fc from "fast-check";
import { apiKeyHash } from "./api_key.ts";
import {
  addKey,
  addProject,
  EMPTY_BOOK,
  type KeyBook,
  KeyBookError,
  keyBookSchema,
  keyState,
  noteUses,
  revokeKey,
  rotateKey,
} from "./key_book.ts";

const NOW_MS = Date.parse("2026-01-31T12:00:00.000Z");
const wish = { project: "default", scopes: ["ingest"], name: "till", expiresAtMs: null } as const;

function refusedWith(code: string, act: () => unknown): void {
  assert.throws(act, (error) => error instanceof KeyBookError && error.code === code);
}

Deno.test("addKey() keeps the hash and never the key", () => {
  const { book, key, record } = addKey(EMPTY_BOOK, wish, NOW_MS);
  assert.equal(record.sha256, apiKeyHash(key));
  assert.ok(!JSON.stringify(book).includes(key.slice(17)));
  assert.deepEqual(EMPTY_BOOK.keys, []);
});

Deno.test("addKey() refuses a project that is not there", () => {
  refusedWith("not_found", () => addKey(EMPTY_BOOK, { ...wish, project: "shop" }, NOW_MS));
  const book = addProject(EMPTY_BOOK, { name: "shop" }, NOW_MS);
  assert.equal(addKey(book, { ...wish, project: "shop" }, NOW_MS).record.project, "shop");
  refusedWith("exists", () => addProject(book, { name: "shop" }, NOW_MS));
  refusedWith("exists", () => addProject(book, { name: "default" }, NOW_MS));
});

Deno.test("revokeKey() ends a key at once, for good, and a second time changes nothing", () => {
  const made = addKey(EMPTY_BOOK, wish, NOW_MS);
  const book = revokeKey(made.book, made.record.id, NOW_MS);
  assert.equal(keyState(book.keys[0], NOW_MS), "revoked");
  assert.equal(revokeKey(book, made.record.id, NOW_MS + 1), book);
  refusedWith("not_found", () => revokeKey(book, "000000000000", NOW_MS));
  refusedWith("invalid", () => rotateKey(book, made.record.id, 60, NOW_MS));
});

Deno.test("keyState() ends a key at its very time", () => {
  const { record } = addKey(EMPTY_BOOK, { ...wish, expiresAtMs: NOW_MS + 1_000 }, NOW_MS);
  assert.equal(keyState(record, NOW_MS + 999), "active");
  assert.equal(keyState(record, NOW_MS + 1_000), "expired");
});

Deno.test("rotateKey() gives both keys the overlap, and the new one the old one's life", () => {
  const lifeMs = 3_600_000;
  const made = addKey(EMPTY_BOOK, {
    ...wish,
    expiresAtMs: NOW_MS + lifeMs,
    limits: { streams: 2 },
  }, NOW_MS);
  const laterMs = NOW_MS + 1_000_000;
  const rotated = rotateKey(made.book, made.record.id, 60, laterMs);
  const [old, fresh] = rotated.book.keys;
  assert.equal(old.expires_at, new Date(laterMs + 60_000).toISOString());
  assert.equal(fresh.expires_at, new Date(laterMs + lifeMs).toISOString());
  assert.equal(fresh.replaces, old.id);
  assert.deepEqual([fresh.scopes, fresh.name, fresh.limits], [["ingest"], "till", { streams: 2 }]);
  assert.notEqual(rotated.key, made.key);
});

Deno.test("rotateKey() never lets the old key live longer than it would have", () => {
  const made = addKey(EMPTY_BOOK, { ...wish, expiresAtMs: NOW_MS + 30_000 }, NOW_MS);
  const { book } = rotateKey(made.book, made.record.id, 86_400, NOW_MS);
  assert.equal(book.keys[0].expires_at, new Date(NOW_MS + 30_000).toISOString());
});

Deno.test("noteUses() moves the last use forward only", () => {
  const made = addKey(EMPTY_BOOK, wish, NOW_MS);
  const { id } = made.record;
  const used = noteUses(made.book, new Map([[id, NOW_MS + 60_000], ["gone", NOW_MS]]));
  assert.equal(used.keys[0].last_used_at, new Date(NOW_MS + 60_000).toISOString());
  assert.equal(noteUses(used, new Map([[id, NOW_MS]])), used);
});

Deno.test("every change of a book gives a book that can be written and read", () => {
  const step = fc.record({
    kind: fc.constantFrom("add", "project", "revoke", "rotate"),
    n: fc.nat(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    let book: KeyBook = EMPTY_BOOK;
    steps.forEach(({ kind, n }, index) => {
      const nowMs = NOW_MS + index * 1_000;
      const id = book.keys[n % Math.max(1, book.keys.length)]?.id ?? "none";
      try {
        if (kind === "add") book = addKey(book, { ...wish, expiresAtMs: nowMs + n }, nowMs).book;
        if (kind === "project") book = addProject(book, { name: `p${n % 5}` }, nowMs);
        if (kind === "revoke") book = revokeKey(book, id, nowMs);
        if (kind === "rotate") book = rotateKey(book, id, n % 100, nowMs).book;
      } catch (error) {
        if (!(error instanceof KeyBookError)) throw error;
      }
    });
    assert.deepEqual(keyBookSchema.parse(JSON.parse(JSON.stringify(book))), book);
  }));
});
