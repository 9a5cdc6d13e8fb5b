/** Parameters of query strings, for descriptions of routes; each may be left out. */
import { z } from "zod";

/** A text. */
export const textParameter = (what: string) => z.string().optional().describe(what);

/** A time. */
export const timeParameter = (what: string) =>
  z.string().optional().describe(`${what}: RFC 3339, or unix seconds or milliseconds`);

/** Several texts: the parameter repeated, or a comma list. */
export const listParameter = (what: string) =>
  z.array(z.string()).optional().describe(`${what}; a comma list or repeated`);

/** `NAME[KEY]=text`, as often as one likes. */
export const mapParameter = (what: string) =>
  z.record(z.string(), z.string()).optional().describe(what);

/** A whole number. */
export const numberParameter = (least: number, most: number, what: string) =>
  z.int().min(least).max(most).optional().describe(what);

/** true or false; false if missing. */
export const flagParameter = (what: string) => z.boolean().optional().describe(what);

/** One of these words. */
export const wordParameter = (words: readonly [string, ...string[]], what: string) =>
  z.enum(words).optional().describe(what);
