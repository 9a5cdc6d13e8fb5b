/** The variables of access_config.ts; part of VARIABLES. */
import * as z from "zod";
import { CONCURRENT_MAX, RATE_MAX } from "./access_limits.ts";

/** Algorithms of signatures that tokens may have. */
export const TOKEN_ALGORITHMS = ["RS256", "ES256", "EdDSA", "HS256"] as const;

const algorithms = z.string().transform((text) => text.split(",").map((name) => name.trim()))
  .pipe(z.array(z.enum(TOKEN_ALGORITHMS)).min(1));
const path = z.string().min(1).refine((text) => !text.includes("\0"));
const text = z.string();

function limit(most: number, about: string) {
  const schema = z.string().regex(/^\d{1,10}$/).transform(Number).pipe(z.number().min(1).max(most));
  return { preset: "", valid: `a whole number, 1 to ${most}`, about, schema };
}

export const ACCESS_VARIABLES = {
  RTA_AUTH: {
    preset: "",
    valid: "one of required, optional, off",
    about:
      "Whether requests need a key or a token (AUTH.md); when missing, optional if RTA_HOST is " +
      "this machine's own address (loopback), else required",
    schema: z.enum(["required", "optional", "off"]),
  },
  RTA_KEYS_FILE: {
    preset: "",
    valid: "the path of a file",
    about: "File of keys and projects; when missing, keys.json in the folder RTA_DATA",
    schema: path,
  },
  RTA_JWT_JWKS: {
    preset: "",
    valid: "the path of a file, or an http:// or https:// address",
    about: "Key set (JWKS) of whoever signs tokens",
    schema: path.refine((given) => !/^https?:/.test(given) || URL.canParse(given)),
  },
  RTA_JWT_SECRET: {
    preset: "",
    valid: "any text of at least 32 bytes",
    about: "Secret shared with whoever signs tokens, in place of RTA_JWT_JWKS",
    schema: text,
  },
  RTA_JWT_ALGORITHMS: {
    preset: "",
    valid: `a list of ${TOKEN_ALGORITHMS.join(", ")} with commas between them`,
    about:
      "Signatures of tokens that are taken; when missing, HS256 with RTA_JWT_SECRET, else the " +
      "others",
    schema: algorithms,
  },
  RTA_JWT_ISSUER: {
    preset: "",
    valid: "any text",
    about: "What the claim iss of tokens has to be",
    schema: text,
  },
  RTA_JWT_AUDIENCE: {
    preset: "",
    valid: "any text",
    about: "What the claim aud of tokens has to be, or have",
    schema: text,
  },
  RTA_LIMIT_EVENTS_PER_SECOND: limit(
    RATE_MAX,
    "Events a second that each project may send, unless it has a limit of its own; none when missing",
  ),
  RTA_LIMIT_BYTES_PER_SECOND: limit(
    RATE_MAX,
    "Bytes of events a second that each project may send, in the same way",
  ),
  RTA_LIMIT_STREAMS: limit(
    CONCURRENT_MAX,
    "Live streams and exports that each project may have open, in the same way",
  ),
  RTA_LIMIT_QUERIES: limit(
    CONCURRENT_MAX,
    "Questions of each project that may be answered at the same time, in the same way",
  ),
} as const;
