/**
 * API keys, as they are written and as they are kept:
 *
 *     rta_4fZk0QmT9aBc_u8x3...Kq1Yt0aB
 *         id (12)      secret (32), checksum (6)
 *
 * The id names the key where it may be shown. The secret is 190 random bits. The checksum is the
 * CRC-32 of all before it, so that a key that was cut off or mistyped is told as such without being
 * looked up, and so that programs that search for leaked keys find no others. Kept is the SHA-256 of
 * the whole key alone: of 190 random bits it can't be guessed back, so no slow hash is needed.
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { KEY_CHECKSUM_CHARS, KEY_ID_CHARS, KEY_SECRET_CHARS } from "../config/access_limits.ts";
import { crc32 } from "../live/crc32.ts";

/** What every key begins with. */
export const API_KEY_PREFIX = "rta_";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KEY_CHARS = API_KEY_PREFIX.length + KEY_ID_CHARS + 1 + KEY_SECRET_CHARS + KEY_CHECKSUM_CHARS;
const KEY_FORM = new RegExp(
  `^rta_([0-9A-Za-z]{${KEY_ID_CHARS}})_[0-9A-Za-z]{${KEY_SECRET_CHARS + KEY_CHECKSUM_CHARS}}$`,
);
/** Bytes from this on are drawn again, so that every character is as likely as any other. */
const FAIR_BYTES = 256 - 256 % ALPHABET.length;

/** A key that was just made; it is in no other place. */
export interface MadeApiKey {
  readonly key: string;
  readonly id: string;
}

/** What a text that should be a key is. */
export type ReadApiKey =
  | { readonly ok: true; readonly id: string }
  | { readonly ok: false; readonly fault: string };

/** Makes a key of random characters. */
export function makeApiKey(): MadeApiKey {
  const id = randomText(KEY_ID_CHARS);
  const body = `${API_KEY_PREFIX}${id}_${randomText(KEY_SECRET_CHARS)}`;
  return { key: body + checksumOf(body), id };
}

/** The id of a key that is whole, or what is wrong with it; says nothing of whether it exists. */
export function readApiKey(text: string): ReadApiKey {
  if (!text.startsWith(API_KEY_PREFIX)) {
    return { ok: false, fault: "an API key begins with rta_" };
  }
  if (text.length < KEY_CHARS) {
    return { ok: false, fault: `the API key is cut off: a whole one has ${KEY_CHARS} characters` };
  }
  const match = KEY_FORM.exec(text);
  if (match === null) return { ok: false, fault: "the API key has not the form of one" };
  const body = text.slice(0, -KEY_CHECKSUM_CHARS);
  if (checksumOf(body) !== text.slice(-KEY_CHECKSUM_CHARS)) {
    return {
      ok: false,
      fault: "the API key is mistyped: its last characters don't fit the others",
    };
  }
  return { ok: true, id: match[1] };
}

/** SHA-256 of a key, 64 hex digits: what is kept of it. */
export function apiKeyHash(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** Whether two hashes are equal, in a time that does not tell where they differ. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, "latin1"), Buffer.from(other, "latin1")];
  return a.length === b.length && timingSafeEqual(a, b);
}

function checksumOf(body: string): string {
  let rest = crc32(Buffer.from(body, "latin1"));
  let text = "";
  for (let i = 0; i < KEY_CHECKSUM_CHARS; i++) {
    text = ALPHABET[rest % ALPHABET.length] + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}

function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < FAIR_BYTES && text.length < length) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}
