/**
 * Tells who asks, from the credentials that a request brings, whatever the transport:
 *
 *     x-api-key: KEY    or    authorization: Bearer KEY-or-TOKEN
 *
 * Checked keys are remembered until the key file changes, so that a key costs one look-up. Only
 * right ones are: the memory tells nothing of others, and nobody can fill it. Refusals don't say
 * whether a key's id exists; only who has the whole secret is told that it expired or was revoked.
 */
import type { AccessConfig } from "../config/access_config.ts";
import { ProblemError } from "../http/problem.ts";
import { API_KEY_PREFIX, apiKeyHash, readApiKey, sameHash } from "./api_key.ts";
import { hasProject, type KeyBook, type KeyRecord, keyState } from "./key_book.ts";
import type { KeyWatch } from "./key_watch.ts";
import { DEFAULT_PROJECT, type Principal, SCOPES } from "./principal.ts";
import { Allowance, type Limits, Quota } from "./quota.ts";
import { TokenVerifier } from "./tokens.ts";

/** What credentials are read from: Headers, or the metadata of a call. */
export interface HeaderSource {
  /** The value by the lower-case name, or null. */
  get(name: string): string | null;
}

export interface AccessOptions {
  readonly config: AccessConfig;
  readonly watch: KeyWatch;
  readonly now?: () => number;
}

/** Something that goes on while its caller's credentials are good. */
interface Ongoing {
  readonly principal: Principal;
  readonly stop: () => void;
}

const nothing = () => {};

/** What a key is compared with where there is none by its id: the same work either way. */
const NO_HASH = "0".repeat(64);

/** Tells who asks. One for all ports of a process. */
export class Access {
  readonly #config: AccessConfig;
  readonly #watch: KeyWatch;
  readonly #now: () => number;
  readonly #tokens: TokenVerifier | null;
  #book: KeyBook;
  #records = new Map<string, KeyRecord>();
  #checked = new Map<string, Principal>();
  #ofProject = new Map<string, Allowance>();
  #ofKey = new Map<string, Allowance>();
  readonly #ongoing = new Set<Ongoing>();
  #anonymous: Principal | null = null;

  /** @throws {KeyFileError} when a key set of tokens is to be read from a file and can't be */
  constructor({ config, watch, now = Date.now }: AccessOptions) {
    this.#config = config;
    this.#watch = watch;
    this.#now = now;
    this.#tokens = config.tokens === null ? null : new TokenVerifier(config.tokens, now);
    this.#book = watch.book;
    this.#load();
  }

  /** Who asks without credentials; null = nobody may. */
  get anonymous(): Principal | null {
    return this.#config.mode === "required" ? null : this.#nobody();
  }

  /**
   * Who asks. Gives a promise for tokens only, so that nothing else has to wait.
   * @throws {ProblemError} unauthenticated; also, for tokens, permission_denied, auth_unavailable
   */
  authenticate(headers: HeaderSource): Principal | Promise<Principal> {
    if (this.#config.mode === "off") return this.#nobody();
    const key = headers.get("x-api-key");
    const authorization = headers.get("authorization");
    if (key === null && authorization === null) {
      if (this.#config.mode === "optional") return this.#nobody();
      throw unauthenticated(
        "send an API key as x-api-key, or one or a token as authorization: Bearer",
      );
    }
    const bearer = authorization === null ? null : bearerOf(authorization);
    if (key !== null && bearer !== null && key !== bearer) {
      throw unauthenticated("x-api-key and authorization name different callers; send one of them");
    }
    const given = key ?? bearer!;
    if (key !== null || given.startsWith(API_KEY_PREFIX)) return this.#ofApiKey(given);
    if (this.#tokens === null) throw unauthenticated("tokens are not taken here; send an API key");
    return this.#ofBearer(given, this.#tokens);
  }

  /**
   * Has `stop` called once, when the caller's key or token has ended while something of theirs goes
   * on. Gives what takes that back.
   */
  whileGood(principal: Principal, stop: () => void): () => void {
    if (principal.keyId === null && principal.endMs === Infinity) return nothing;
    const ongoing = { principal, stop };
    this.#ongoing.add(ongoing);
    return () => this.#ongoing.delete(ongoing);
  }

  /** Stops what goes on without good credentials; to be called each second. */
  stopEnded(): void {
    if (this.#ongoing.size === 0) return;
    if (this.#book !== this.#watch.book) this.#load();
    const nowMs = this.#now();
    for (const ongoing of [...this.#ongoing]) {
      if (this.#isGood(ongoing.principal, nowMs)) continue;
      this.#ongoing.delete(ongoing);
      ongoing.stop();
    }
  }

  #isGood({ keyId, endMs }: Principal, nowMs: number): boolean {
    if (keyId === null) return nowMs < endMs;
    const record = this.#records.get(keyId);
    return record !== undefined && keyState(record, nowMs) === "active";
  }

  #ofApiKey(key: string): Principal {
    if (this.#book !== this.#watch.book) this.#load();
    const nowMs = this.#now();
    const checked = this.#checked.get(key);
    if (checked !== undefined && nowMs < checked.endMs) {
      this.#watch.noteUse(checked.keyId!, nowMs);
      return checked;
    }
    const read = readApiKey(key);
    if (!read.ok) throw unauthenticated(read.fault);
    const record = this.#records.get(read.id);
    const isRight = sameHash(apiKeyHash(key), record?.sha256 ?? NO_HASH);
    if (record === undefined || !isRight) throw unauthenticated("the API key is not valid");
    const state = keyState(record, nowMs);
    if (state === "expired") throw unauthenticated(`the API key expired at ${record.expires_at}`);
    if (state === "revoked") throw unauthenticated("the API key was revoked");
    const principal = this.#principalOf(record);
    this.#checked.set(key, principal);
    this.#watch.noteUse(record.id, nowMs);
    return principal;
  }

  async #ofBearer(token: string, tokens: TokenVerifier): Promise<Principal> {
    const { project, scopes, endMs } = await tokens.verify(token);
    if (this.#book !== this.#watch.book) this.#load();
    if (!hasProject(this.#book, project)) {
      throw new ProblemError(
        "permission_denied",
        "the token's claim project names no project here",
      );
    }
    return { project, scopes, keyId: null, endMs, quota: this.#quotaOf(project, null) };
  }

  /** Who gives no credentials where none are asked for. */
  #nobody(): Principal {
    if (this.#book !== this.#watch.book) this.#load();
    return this.#anonymous ??= {
      project: DEFAULT_PROJECT,
      scopes: new Set(SCOPES),
      keyId: null,
      endMs: Infinity,
      quota: this.#quotaOf(DEFAULT_PROJECT, null),
    };
  }

  #principalOf(record: KeyRecord): Principal {
    const { id, project, scopes } = record;
    return {
      project,
      scopes: new Set(scopes),
      keyId: id,
      endMs: record.expires_at === undefined ? Infinity : Date.parse(record.expires_at),
      quota: this.#quotaOf(project, record),
    };
  }

  #quotaOf(project: string, record: KeyRecord | null): Quota | null {
    const limits = this.#book.projects.find(({ name }) => name === project)?.limits;
    const ofProject = { ...this.#config.projectLimits, ...limits };
    const allowances = [
      allowance(this.#ofProject, project, "project", ofProject),
      ...(record?.limits === undefined
        ? []
        : [allowance(this.#ofKey, record.id, "key", record.limits)]),
    ].filter((each) => each !== null);
    return allowances.length === 0 ? null : new Quota(allowances);
  }

  /** Takes a new book in: every key is checked anew. What limits are used up stays so. */
  #load(): void {
    this.#book = this.#watch.book;
    this.#records = new Map(this.#book.keys.map((record) => [record.id, record]));
    this.#checked = new Map();
    this.#anonymous = null;
  }
}

/** The allowance by this name while its limits are the same; null = nothing is limited. */
function allowance(
  known: Map<string, Allowance>,
  name: string,
  kind: "key" | "project",
  limits: Limits,
): Allowance | null {
  if (Object.keys(limits).length === 0) return null;
  let found = known.get(name);
  if (found === undefined || JSON.stringify(found.limits) !== JSON.stringify(limits)) {
    found = new Allowance(kind, limits, () => performance.now());
    known.set(name, found);
  }
  return found;
}

function bearerOf(authorization: string): string {
  const match = /^bearer +([^\s,]+)$/i.exec(authorization);
  if (match === null) throw unauthenticated("authorization must be: Bearer KEY-or-TOKEN");
  return match[1];
}

function unauthenticated(detail: string): ProblemError {
  return new ProblemError("unauthenticated", detail, {
    headers: { "www-authenticate": `Bearer realm="rta"` },
  });
}
