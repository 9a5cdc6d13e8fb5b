/**
 * What pages of other origins may do with a port (Fetch, 3.2: the CORS protocol). Nothing, unless the
 * configuration names their origin: a browser then hides the answers from them.
 *
 *     preflight (OPTIONS)   answered here, before credentials are looked at: it brings none
 *     any other request     answered as ever; an allowed origin may read the answer
 *     WebSocket             browsers let every page open one and read it, so foreign ones are refused
 *
 * Credentials here are headers that a page has to know, never what a browser adds by itself (cookies,
 * client certificates); `access-control-allow-credentials` is therefore never sent.
 */
import { PREFLIGHT_SECONDS } from "../config/access_limits.ts";
import { ProblemError } from "./problem.ts";
import { TRACEPARENT_HEADER } from "../telemetry/trace_context.ts";
import { REQUEST_ID_HEADER } from "./request_id.ts";
import { wantsSocket } from "./socket_stream.ts";

/** Origins whose pages may read answers; `*` = all. */
export type AllowedOrigins = "*" | ReadonlySet<string>;

const METHODS = "GET, HEAD, POST";

/** Headers that requests may have beside those that every page may send. */
const REQUEST_HEADERS = [
  "authorization",
  "content-encoding",
  "content-type",
  "last-event-id",
  TRACEPARENT_HEADER,
  "x-api-key",
  REQUEST_ID_HEADER,
].join(", ");

/** Headers of answers that a page may read beside those that it may read anyway. */
const ANSWER_HEADERS = [
  "allow",
  "content-disposition",
  "date",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
  "rta-accuracy",
  "rta-complete",
  "rta-complete-until",
  "rta-missing-partitions",
  "rta-next-page-token",
  "rta-next-sessions-page-token",
  "rta-notes",
  "rta-order",
  "rta-time-range",
  "www-authenticate",
  REQUEST_ID_HEADER,
].join(", ");

/** One for all HTTP ports of a process. */
export class CrossOrigin {
  readonly #allowed: AllowedOrigins | null;

  /** @param allowed null = none */
  constructor(allowed: AllowedOrigins | null) {
    this.#allowed = allowed;
  }

  /**
   * The answer to a preflight; null = the request is another one, and is to be answered.
   * @throws {ProblemError} permission_denied where the origin may not even ask
   */
  preflight(request: Request): Response | null {
    const { headers } = request;
    const origin = headers.get("origin");
    if (origin === null) return null;
    if (wantsSocket(headers)) this.#refuseForeignSocket(headers, origin);
    if (this.#allowed === null || request.method !== "OPTIONS") return null;
    if (!headers.has("access-control-request-method")) return null;
    if (!this.#allows(origin)) throw foreign(origin);
    return new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": REQUEST_HEADERS,
        "access-control-max-age": String(PREFLIGHT_SECONDS),
      },
    });
  }

  /** Adds to an answer who may read it and which of its headers. */
  mark({ headers: asked }: Request, { headers }: Response): void {
    if (this.#allowed === null) return;
    if (this.#allowed === "*") {
      headers.set("access-control-allow-origin", "*");
      headers.set("access-control-expose-headers", ANSWER_HEADERS);
      return;
    }
    // Also where there is no origin: a cache must not give that answer to one.
    headers.append("vary", "Origin");
    const origin = asked.get("origin");
    if (origin === null || !this.#allowed.has(origin)) return;
    headers.set("access-control-allow-origin", origin);
    headers.set("access-control-expose-headers", ANSWER_HEADERS);
  }

  #allows(origin: string): boolean {
    return this.#allowed === "*" || (this.#allowed !== null && this.#allowed.has(origin));
  }

  /** Who brings credentials is no page: pages can't send headers with a WebSocket. */
  #refuseForeignSocket(headers: Headers, origin: string): void {
    if (headers.has("x-api-key") || headers.has("authorization")) return;
    const own = URL.canParse(origin) ? new URL(origin).host : null;
    if (own !== headers.get("host") && !this.#allows(origin)) throw foreign(origin);
  }
}

function foreign(origin: string): ProblemError {
  const shown = URL.canParse(origin) ? new URL(origin).origin : "null";
  return new ProblemError(
    "permission_denied",
    `pages of the origin ${shown} may not use this port; RTA_CORS_ORIGINS names those that may`,
    { field: "origin" },
  );
}
