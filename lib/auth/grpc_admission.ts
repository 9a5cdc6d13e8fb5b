/**
 * The door of gRPC ports: the same credentials, scopes and limits as on HTTP, from a call's metadata.
 */
import type { Access, HeaderOf } from "./access.ts";
import { DEFAULT_PROJECT, requireScope } from "./principal.ts";
import type { Quota } from "./quota.ts";
import { grpcRule } from "./route_rules.ts";

/** A call that was let in. */
export interface AdmittedCall {
  readonly project: string;
  /** What may be stored for it; null = any number of events. */
  readonly quota: Quota | null;
  /** Gives back what the call holds; to be called when it has ended. */
  end(): void;
}

const nothing = () => {};
/** Who asks what is open to everybody; it acts on no project. */
const OPEN_CALL: AdmittedCall = { project: DEFAULT_PROJECT, quota: null, end: nothing };

/**
 * Lets a call in. `path` is `/package.Service/Method`.
 * @throws {ProblemError} unauthenticated, permission_denied, rate_limited
 */
export async function admitCall(
  access: Access,
  path: string,
  header: HeaderOf,
): Promise<AdmittedCall> {
  const rule = grpcRule(path);
  if (rule === null) return OPEN_CALL;
  const principal = await access.authenticate(header);
  requireScope(principal, rule.scope);
  const { project, quota } = principal;
  if (quota === null || rule.kind === "none") return { project, quota: null, end: nothing };
  if (rule.kind === "events") {
    quota.refuseIfSpent();
    return { project, quota, end: nothing };
  }
  return { project, quota, end: quota.begin(rule.kind === "query" ? "queries" : "streams") };
}
