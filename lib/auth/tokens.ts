/**
 * Tokens of an identity provider: JWTs (RFC 7519) that say project and scopes, checked by jose.
 *
 * What is taken is settled by the settings and never by the token: algorithms, issuer, audience and
 * where keys come from. So `alg: none` is refused, and a token signed by HS256 with a public key as
 * the secret too: a platform has a key set or a shared secret, not both. Keys that a token names or
 * brings itself (`jku`, `x5u`, `jwk`) are not looked at.
 *
 *     { "iss": ..., "aud": ..., "exp": ..., "project": "shop", "scope": "ingest query" }
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
} from "jose";
import {
  KEY_SET_COOLDOWN_MS,
  KEY_SET_FETCH_MS_MAX,
  KEY_SET_KEPT_MS,
  TOKEN_CHARS_MAX,
  TOKEN_CLOCK_SECONDS,
  TOKEN_KEPT_MS_MAX,
  TOKENS_KEPT_MAX,
} from "../config/access_limits.ts";
import type { TokenConfig } from "../config/access_config.ts";
import { ProblemError } from "../http/problem.ts";
import { KeyFileError } from "./key_file.ts";
import { projectNameSchema } from "./key_book.ts";
import { type Scope, SCOPES } from "./principal.ts";

/** What a token that is right says. */
export interface TokenClaims {
  readonly project: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When it ends, ms since the epoch. */
  readonly endMs: number;
}

interface KeptVerdict {
  readonly claims: TokenClaims;
  /** When it has to be checked anew, ms since the epoch. */
  readonly untilMs: number;
}

/** Checks tokens. One for all ports of a process. */
export class TokenVerifier {
  readonly #config: TokenConfig;
  readonly #keys: JWTVerifyGetKey;
  readonly #now: () => number;
  /** By the SHA-256 of the token; the oldest first. */
  readonly #kept = new Map<string, KeptVerdict>();

  /** @throws {KeyFileError} when a key set is to be read from a file and can't be */
  constructor(config: TokenConfig, now: () => number = Date.now) {
    this.#config = config;
    this.#now = now;
    this.#keys = keySource(config.keys);
  }

  /**
   * What a token says. @throws {ProblemError} unauthenticated; permission_denied when it is right and
   * names no project; auth_unavailable when keys can't be had
   */
  async verify(token: string): Promise<TokenClaims> {
    if (token.length > TOKEN_CHARS_MAX) throw invalidToken("the token is too long");
    const hash = createHash("sha256").update(token).digest("base64");
    const kept = this.#kept.get(hash);
    if (kept !== undefined && kept.untilMs > this.#now()) return kept.claims;
    const payload = await this.#payloadOf(token);
    const claims = claimsOf(payload);
    this.#keep(hash, claims);
    return claims;
  }

  async #payloadOf(token: string): Promise<JWTPayload> {
    const { algorithms, issuer, audience } = this.#config;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: [...algorithms],
        issuer,
        audience,
        clockTolerance: TOKEN_CLOCK_SECONDS,
        currentDate: new Date(this.#now()),
        requiredClaims: ["exp"],
      });
      return payload;
    } catch (error) {
      throw refusalOf(error);
    }
  }

  #keep(hash: string, claims: TokenClaims): void {
    const nowMs = this.#now();
    this.#kept.delete(hash);
    this.#kept.set(hash, { claims, untilMs: Math.min(claims.endMs, nowMs + TOKEN_KEPT_MS_MAX) });
    if (this.#kept.size <= TOKENS_KEPT_MAX) return;
    const [oldest] = this.#kept.keys();
    this.#kept.delete(oldest);
  }
}

function keySource(keys: TokenConfig["keys"]): JWTVerifyGetKey {
  switch (keys.kind) {
    case "secret": {
      const secret = Buffer.from(keys.secret, "utf8");
      return () => Promise.resolve(new Uint8Array(secret));
    }
    case "url":
      return fetchedKeySet(keys.url);
    case "file":
      return fileKeySet(keys.path);
  }
}

/** A key set that is fetched when it is needed, kept, and fetched again for keys it lacks. */
function fetchedKeySet(url: string): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    cacheMaxAge: KEY_SET_KEPT_MS,
    cooldownDuration: KEY_SET_COOLDOWN_MS,
    timeoutDuration: KEY_SET_FETCH_MS_MAX,
    [customFetch]: async (address, options) => {
      const response = await fetch(address, options);
      // What is no key set is not read, and would keep its connection.
      if (response.status !== 200) await response.body?.cancel();
      return response;
    },
  });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      const isOfToken = error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported;
      if (isOfToken) throw error;
      throw new ProblemError("auth_unavailable", undefined, { cause: error });
    }
  };
}

/** A key set in a file, read again when the file has changed. A broken change keeps the last keys. */
function fileKeySet(path: string): JWTVerifyGetKey {
  const read = () => createLocalJWKSet(JSON.parse(Deno.readTextFileSync(path)) as JSONWebKeySet);
  const markOf = () => {
    const { mtime, size } = Deno.statSync(path);
    return `${mtime?.getTime()} ${size}`;
  };
  let mark: string;
  let keys: JWTVerifyGetKey;
  try {
    mark = markOf();
    keys = read();
  } catch (cause) {
    throw new KeyFileError(`the key set ${path} (RTA_JWT_JWKS) can't be used`, { cause });
  }
  return (header, token) => {
    try {
      const now = markOf();
      if (now !== mark) {
        keys = read();
        mark = now;
      }
    } catch {
      // The last keys stay; the file is looked at again with the next token.
    }
    return keys(header, token);
  };
}

/** Why jose refused it, without repeating what stands in the token. */
function refusalOf(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof errors.JWTExpired) return invalidToken("the token has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    return invalidToken(
      reason === "missing"
        ? `the token lacks the claim ${claim}`
        : `the token's claim ${claim} does not fit this platform`,
    );
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return invalidToken("the token's algorithm is not taken here");
  }
  const known = error instanceof errors.JOSEError || error instanceof TypeError ||
    error instanceof DOMException;
  if (known) return invalidToken("the token is not valid");
  return new ProblemError("internal", undefined, { cause: error });
}

function invalidToken(detail: string): ProblemError {
  return new ProblemError("unauthenticated", detail, {
    headers: { "www-authenticate": `Bearer realm="rta", error="invalid_token"` },
  });
}

/** Scopes that are not ours are of other services; no project is a token for something else. */
function claimsOf(payload: JWTPayload): TokenClaims {
  const project = projectNameSchema.safeParse(payload.project);
  if (!project.success) {
    throw new ProblemError("permission_denied", "the token's claim project names no project");
  }
  const given = [payload.scope, payload.scopes].flatMap((claim) =>
    typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : []
  );
  return {
    project: project.data,
    scopes: new Set(SCOPES.filter((each) => given.includes(each))),
    endMs: (payload.exp! + TOKEN_CLOCK_SECONDS) * 1_000,
  };
}
