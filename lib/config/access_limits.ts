/**
 * The named limits of keys, tokens and who may do how much, with their units; see limits.ts.
 */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

// --- Keys and projects ---------------------------------------------------------------------------

/** Characters of the part of a key that names it. */
export const KEY_ID_CHARS = 12;
/** Random characters of a key's secret, of 62 kinds: 190 bits. */
export const KEY_SECRET_CHARS = 32;
/** Characters of a key's checksum. */
export const KEY_CHECKSUM_CHARS = 6;
/** Longest name of a project, characters. */
export const PROJECT_NAME_CHARS_MAX = 63;
/** Longest name that a key may be given, characters. */
export const KEY_NAME_CHARS_MAX = 100;
/** Most keys of one key file, revoked ones too. */
export const KEYS_MAX = 10_000;
/** Most projects of one key file. */
export const PROJECTS_MAX = 1_000;
/** Largest key file that is read, bytes. */
export const KEY_FILE_BYTES_MAX = 16 * 1024 * 1024;
/** How often a server looks whether the key file has changed, ms. */
export const KEY_FILE_LOOK_MS = SECOND_MS;
/** How exactly the last use of a key is kept, ms. */
export const KEY_USE_GRAIN_MS = MINUTE_MS;
/** Longest time to a key's end, s: 10 years. */
export const KEY_LIFE_SECONDS_MAX = 10 * 365 * 86_400;
/** How long a key that was rotated goes on unless said otherwise, s. */
export const KEY_OVERLAP_SECONDS_DEFAULT = 86_400;
/** Longest overlap of a rotation, s: 90 days. */
export const KEY_OVERLAP_SECONDS_MAX = 90 * 86_400;

// --- Tokens --------------------------------------------------------------------------------------

/** Longest token, characters. */
export const TOKEN_CHARS_MAX = 8_192;
/** Shortest shared secret of tokens, bytes: the length of the hash (RFC 7518, 3.2). */
export const TOKEN_SECRET_BYTES_MIN = 32;
/** Tokens whose verdict is kept, so that each is checked once. */
export const TOKENS_KEPT_MAX = 10_000;
/** Longest time that a verdict on a token is kept, ms: key sets may change. */
export const TOKEN_KEPT_MS_MAX = MINUTE_MS;
/** How far the clocks of who makes tokens and who reads them may lie apart, s. */
export const TOKEN_CLOCK_SECONDS = 30;
/** How long a key set that was fetched is used before it is fetched again, ms. */
export const KEY_SET_KEPT_MS = 10 * MINUTE_MS;
/** Shortest time between two fetches of a key set, ms: tokens of unknown keys fetch it at most so often. */
export const KEY_SET_COOLDOWN_MS = 30 * SECOND_MS;
/** Longest wait for a key set, ms. */
export const KEY_SET_FETCH_MS_MAX = 5 * SECOND_MS;

// --- Rates ---------------------------------------------------------------------------------------

/** Highest rate that a limit may name, events or bytes a second. */
export const RATE_MAX = 1_000_000_000;
/** Most concurrent streams or queries that a limit may name. */
export const CONCURRENT_MAX = 100_000;
/** What a rate lets through at once after a rest, s of the rate. */
export const RATE_BURST_SECONDS = 1;

// --- Pages of other origins ------------------------------------------------------------------------

/** How long a browser may keep the answer to a preflight, s; the longest that Chromium does. */
export const PREFLIGHT_SECONDS = 7_200;
