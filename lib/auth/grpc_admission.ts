/**
 * The door of gRPC ports: the same credentials, scopes and limits as on HTTP, from a call's metadata.
 */
import type { Access } from "./access.ts";
import { DEFAULT_PROJECT, requireScope } from "./principal.ts";
import type { Quota } from "./quota.ts";
import { grpcRule, type RouteRule } from "./route_rules.ts";

/** A call that was let in. */
export interface AdmittedCall {
  readonly project: string;
  /** Id of the key that was given, for the log; null = none. */
  readonly keyId: string | null;
  /** What may be stored for it; null = any number of events. */
  readonly quota: Quota | null;
  /** Has `stop` called when the caller's key or token ends before the call. To be called once. */
  whileGood(stop: () => void): void;
  /** Gives back what the call holds; to be called when it has ended. */
  end(): void;
}

const nothing = () => {};
/** Who asks what is open to everybody; it acts on no project. */
const OPEN_CALL: AdmittedCall = {
  project: DEFAULT_PROJECT,
  keyId: null,
  quota: null,
  whileGood: nothing,
  end: nothing,
};

/**
 * Lets a call in. `path` is `/package.Service/Method`.
 * @throws {ProblemError} unauthenticated, permission_denied, rate_limited
 */
export async function admitCall(
  access: Access,
  path: string,
  header: (name: string) => string | null,
): Promise<AdmittedCall> {
  const rule = grpcRule(path);
  if (rule === null) return OPEN_CALL;
  const principal = await access.authenticate({ get: header });
  requireScope(principal, rule.scope);
  const { project, keyId, quota } = principal;
  const release = placeOf(rule, quota);
  let unwatch = nothing;
  return {
    project,
    keyId,
    quota,
    whileGood: (stop) => unwatch = access.whileGood(principal, stop),
    end() {
      unwatch();
      release();
    },
  };
}

/** Takes what a call counts as; gives what gives it back. */
function placeOf({ kind }: RouteRule, quota: Quota | null): () => void {
  if (quota === null || kind === "none") return nothing;
  if (kind !== "events") return quota.begin(kind === "query" ? "queries" : "streams");
  quota.refuseIfSpent();
  return nothing;
}
