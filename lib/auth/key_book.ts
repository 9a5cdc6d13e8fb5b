/**
 * Keys and projects as they are kept, and every change of them: pure functions from one book to the
 * next. key_file.ts reads and writes books.
 */
import * as z from "zod";
import {
  CONCURRENT_MAX,
  KEY_ID_CHARS,
  KEY_NAME_CHARS_MAX,
  KEYS_MAX,
  PROJECT_NAME_CHARS_MAX,
  PROJECTS_MAX,
  RATE_MAX,
} from "../config/access_limits.ts";
import { apiKeyHash, makeApiKey } from "./api_key.ts";
import { DEFAULT_PROJECT, type Scope, SCOPES } from "./principal.ts";
import type { Limits } from "./quota.ts";

/** A change that can't be made; the message is meant for the one who asked. */
export class KeyBookError extends Error {
  constructor(
    readonly code: "invalid" | "not_found" | "exists" | "full",
    /** The member at fault; "" = none in particular. */
    readonly field: string,
    message: string,
  ) {
    super(message);
    this.name = "KeyBookError";
  }
}

const rate = z.int("must be a whole number").min(1, "must be at least 1")
  .max(RATE_MAX, `must be at most ${RATE_MAX}`).optional();
const count = z.int("must be a whole number").min(1, "must be at least 1")
  .max(CONCURRENT_MAX, `must be at most ${CONCURRENT_MAX}`).optional();

export const limitsSchema = z.strictObject({
  events_per_second: rate,
  bytes_per_second: rate,
  streams: count,
  queries: count,
});

export const projectNameSchema = z.string("must be a text").regex(
  new RegExp(`^[a-z0-9][a-z0-9_-]{0,${PROJECT_NAME_CHARS_MAX - 1}}$`),
  `must be 1 to ${PROJECT_NAME_CHARS_MAX} of a-z, 0-9, - and _, and not begin with - or _`,
);

// deno-lint-ignore no-control-regex -- what could steer a terminal is what it keeps out
const plainText = /^[^\u0000-\u001f\u007f-\u009f]*$/;

export const keyNameSchema = z.string("must be a text").max(
  KEY_NAME_CHARS_MAX,
  `must have at most ${KEY_NAME_CHARS_MAX} characters`,
).regex(plainText, "must have no control characters");

export const scopesSchema = z.array(
  z.enum(SCOPES, `must be of ${SCOPES.join(", ")}`),
  "must be a list of scopes",
).min(1, "must name a scope").transform((scopes) =>
  SCOPES.filter((scope) => scopes.includes(scope))
);

const time = z.iso.datetime("must be a time (RFC 3339, UTC)");

const keySchema = z.strictObject({
  id: z.string().regex(new RegExp(`^[0-9A-Za-z]{${KEY_ID_CHARS}}$`), "must be the id of a key"),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits"),
  project: projectNameSchema,
  scopes: scopesSchema,
  name: keyNameSchema,
  created_at: time,
  expires_at: time.optional(),
  revoked_at: time.optional(),
  /** To the minute. */
  last_used_at: time.optional(),
  /** Id of the key that this one takes the place of. */
  replaces: z.string().optional(),
  limits: limitsSchema.optional(),
});

const projectSchema = z.strictObject({
  name: projectNameSchema,
  created_at: time,
  limits: limitsSchema.optional(),
});

export const keyBookSchema = z.strictObject({
  version: z.literal(1),
  projects: z.array(projectSchema).max(PROJECTS_MAX),
  keys: z.array(keySchema).max(KEYS_MAX),
}).superRefine(({ projects, keys }, context) => {
  const refuse = (message: string) => context.addIssue({ code: "custom", message });
  const names = new Set(projects.map((project) => project.name));
  if (names.size < projects.length) refuse("names a project twice");
  if (new Set(keys.map((key) => key.id)).size < keys.length) refuse("names a key twice");
  const lost = keys.find(({ project }) => project !== DEFAULT_PROJECT && !names.has(project));
  if (lost !== undefined) {
    refuse(`has the key ${lost.id} of the project ${lost.project}, not listed`);
  }
});

export type KeyRecord = z.output<typeof keySchema>;
export type ProjectRecord = z.output<typeof projectSchema>;
/** All keys and projects. Never changed in place. */
export type KeyBook = z.output<typeof keyBookSchema>;

/** The book of a platform without keys. */
export const EMPTY_BOOK: KeyBook = { version: 1, projects: [], keys: [] };

/** What a key is made from. */
export interface KeyWish {
  readonly project: string;
  readonly scopes: readonly Scope[];
  readonly name: string;
  /** Null = it never ends. */
  readonly expiresAtMs: number | null;
  readonly limits?: Limits;
}

/** A book with one more key; `key` is shown once and kept nowhere. */
export interface MadeKey {
  readonly book: KeyBook;
  readonly key: string;
  readonly record: KeyRecord;
}

/** Whether events, keys and tokens may be of this project. The first one is always there. */
export function hasProject(book: KeyBook, name: string): boolean {
  return name === DEFAULT_PROJECT || book.projects.some((project) => project.name === name);
}

/** @throws {KeyBookError} exists, full */
export function addProject(
  book: KeyBook,
  { name, limits }: { readonly name: string; readonly limits?: Limits },
  nowMs: number,
): KeyBook {
  if (hasProject(book, name)) {
    throw new KeyBookError("exists", "name", `the project ${name} is there already`);
  }
  if (book.projects.length >= PROJECTS_MAX) {
    throw new KeyBookError("full", "name", `there may be ${PROJECTS_MAX} projects`);
  }
  const project = {
    name,
    created_at: timeText(nowMs),
    ...(limits === undefined ? {} : { limits }),
  };
  return { ...book, projects: [...book.projects, project] };
}

/** @throws {KeyBookError} not_found (of the project), full */
export function addKey(book: KeyBook, wish: KeyWish, nowMs: number, replaces?: string): MadeKey {
  const { project, scopes, name, expiresAtMs, limits } = wish;
  if (!hasProject(book, project)) {
    throw new KeyBookError("not_found", "project", `there is no project ${project}`);
  }
  if (book.keys.length >= KEYS_MAX) {
    throw new KeyBookError("full", "", `there may be ${KEYS_MAX} keys; use another key file`);
  }
  const { key, id } = makeApiKey();
  const record: KeyRecord = {
    id,
    sha256: apiKeyHash(key),
    project,
    scopes: [...scopes],
    name,
    created_at: timeText(nowMs),
    ...(expiresAtMs === null ? {} : { expires_at: timeText(expiresAtMs) }),
    ...(replaces === undefined ? {} : { replaces }),
    ...(limits === undefined ? {} : { limits }),
  };
  return { book: { ...book, keys: [...book.keys, record] }, key, record };
}

/** Ends a key at once; a second time changes nothing. @throws {KeyBookError} not_found */
export function revokeKey(book: KeyBook, id: string, nowMs: number): KeyBook {
  const record = keyOf(book, id);
  if (record.revoked_at !== undefined) return book;
  return withKey(book, { ...record, revoked_at: timeText(nowMs) });
}

/**
 * A new key with the project, scopes, name and limits of an old one, which ends after the overlap
 * (or sooner, if it would have anyway). The new one lives as long as the old one was made to.
 * @throws {KeyBookError} not_found; invalid when the old one has ended
 */
export function rotateKey(
  book: KeyBook,
  id: string,
  overlapSeconds: number,
  nowMs: number,
): MadeKey {
  const old = keyOf(book, id);
  const state = keyState(old, nowMs);
  if (state !== "active") {
    throw new KeyBookError("invalid", "id", `the key ${id} is ${state}: make a new one`);
  }
  const endMs = nowMs + overlapSeconds * 1_000;
  const ownEndMs = old.expires_at === undefined ? Infinity : Date.parse(old.expires_at);
  const lifeMs = ownEndMs - Date.parse(old.created_at);
  const ending = withKey(book, { ...old, expires_at: timeText(Math.min(endMs, ownEndMs)) });
  const expiresAtMs = lifeMs === Infinity ? null : nowMs + lifeMs;
  return addKey(ending, { ...old, expiresAtMs }, nowMs, id);
}

/** The book with later last uses, ms by key id; keys that are gone are passed over. */
export function noteUses(book: KeyBook, usedAtMs: ReadonlyMap<string, number>): KeyBook {
  const keys = book.keys.map((record) => {
    const usedMs = usedAtMs.get(record.id) ?? 0;
    const isLater = usedMs > Date.parse(record.last_used_at ?? record.created_at) ||
      (usedMs > 0 && record.last_used_at === undefined);
    return isLater ? { ...record, last_used_at: timeText(usedMs) } : record;
  });
  return keys.every((record, index) => record === book.keys[index]) ? book : { ...book, keys };
}

/** Whether a key may be used, and why not. */
export function keyState(record: KeyRecord, nowMs: number): "active" | "expired" | "revoked" {
  if (record.revoked_at !== undefined) return "revoked";
  const { expires_at: end } = record;
  return end !== undefined && Date.parse(end) <= nowMs ? "expired" : "active";
}

function keyOf(book: KeyBook, id: string): KeyRecord {
  const record = book.keys.find((key) => key.id === id);
  if (record === undefined) throw new KeyBookError("not_found", "id", "there is no such key");
  return record;
}

function withKey(book: KeyBook, changed: KeyRecord): KeyBook {
  return { ...book, keys: book.keys.map((key) => key.id === changed.id ? changed : key) };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
