/**
 * Which sketches of a cell somebody wants, as bits: most questions need counts alone, and reading
 * or merging 16 KiB of registers that nobody looks at is what would make them slow.
 */
export const WANT_USERS = 1;
export const WANT_SESSIONS = 2;
export const WANT_AMOUNTS = 4;
export const WANT_ALL = WANT_USERS | WANT_SESSIONS | WANT_AMOUNTS;
