/**
 * Who asks, once their credentials are known to be right: a project and what they may do in it.
 */
import { ProblemError } from "../http/problem.ts";
import type { Quota } from "./quota.ts";

/** What a caller may do. `admin` includes the others. */
export const SCOPES = ["ingest", "query", "admin"] as const;
export type Scope = typeof SCOPES[number];

/** The project of all that names no other: of everything, until keys name others. */
export const DEFAULT_PROJECT = "default";

/** A caller. One object for all requests of one key, until the key file changes. */
export interface Principal {
  readonly project: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Id of the key that was given; null = a token, or nothing was asked for. */
  readonly keyId: string | null;
  /** When the key or token ends, ms since the epoch; Infinity = never. */
  readonly endMs: number;
  /** What the caller may do how often; null = no limit. */
  readonly quota: Quota | null;
}

/** @throws {ProblemError} permission_denied, saying what is needed and what there is */
export function requireScope(principal: Principal, scope: Scope): void {
  const { scopes } = principal;
  if (scopes.has(scope) || scopes.has("admin")) return;
  const had = scopes.size === 0 ? "none" : [...scopes].join(", ");
  throw new ProblemError("permission_denied", `this needs the scope ${scope}; yours: ${had}`);
}

/**
 * Whether the caller runs the platform: an admin of the first project. Only they make projects, and
 * see or make keys of projects that are not their own.
 */
export function isOperator({ project, scopes }: Principal): boolean {
  return project === DEFAULT_PROJECT && scopes.has("admin");
}
