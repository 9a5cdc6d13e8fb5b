/**
 * The door of HTTP ports: credentials, scopes and limits, before a request is routed. It remembers
 * who asked, so that routes can tell the project of a request.
 *
 * A question holds its place until it is answered, a stream until its body ends. Streams over
 * WebSockets have no body; whoever serves them says when one is closed (`socketClosed`).
 */
import type { Admission, Admitted, LoggedCaller } from "../http/admission.ts";
import { ProblemError } from "../http/problem.ts";
import type { Access } from "./access.ts";
import { type Principal, requireScope } from "./principal.ts";
import type { Quota } from "./quota.ts";
import { httpRule, type RouteRule } from "./route_rules.ts";

/** What a router's context has of the request; or the request itself. */
type Asked = Request | { readonly req: { readonly raw: Request } };

const SWITCHING_PROTOCOLS = 101;

/** One for all HTTP ports of a process. */
export class HttpAdmission implements Admission {
  readonly #access: Access;
  /** Who asked, of requests under way. */
  readonly #principals = new WeakMap<Request, Principal>();
  /** The request that came in last, and who asked: direct routes ask for it at once. */
  #last: Request | null = null;
  #lastPrincipal: Principal | null = null;
  /** What gives the places of streams over WebSockets back. */
  readonly #sockets = new WeakMap<Request, () => void>();

  constructor(access: Access) {
    this.#access = access;
  }

  admit(request: Request, path: string): Admitted | null | Promise<Admitted | null> {
    const rule = httpRule(request.method, path);
    if (rule === null) return null;
    const judged = this.#access.authenticate(request.headers);
    if (judged instanceof Promise) return judged.then((who) => this.#let(request, rule, who));
    return this.#let(request, rule, judged);
  }

  callerOf(request: Request): LoggedCaller | null {
    return request === this.#last ? this.#lastPrincipal : this.#principals.get(request) ?? null;
  }

  /** Who asked. */
  readonly principalOf = (asked: Asked): Principal => {
    const request = "req" in asked ? asked.req.raw : asked;
    if (request === this.#last) return this.#lastPrincipal!;
    const principal = this.#principals.get(request) ?? this.#access.anonymous;
    if (principal !== null) return principal;
    throw new ProblemError("internal", undefined, {
      cause: new Error("a request came in past the door"),
    });
  };

  /** The project that a request may act on. */
  readonly projectOf = (asked: Asked): string => this.principalOf(asked).project;

  /** What may be stored for a request; null = any number of events. */
  readonly quotaOf = (asked: Asked): Quota | null => this.principalOf(asked).quota;

  /** Has `stop` called when who asked may not any more; gives what takes that back. */
  readonly whileGood = (request: Request, stop: () => void): () => void =>
    this.#access.whileGood(this.principalOf(request), stop);

  /** The WebSocket that this request asked for is closed. */
  readonly socketClosed = (request: Request): void => this.#sockets.get(request)?.();

  #let(request: Request, { scope, kind }: RouteRule, principal: Principal): Admitted | null {
    requireScope(principal, scope);
    // Noted for others only: an entry costs more than all the rest where no key is given.
    if (principal !== this.#access.anonymous) this.#principals.set(request, principal);
    this.#last = request;
    this.#lastPrincipal = principal;
    const { quota } = principal;
    if (quota === null || kind === "none") return null;
    if (kind === "events") {
      quota.refuseIfSpent();
      return { answered: (response) => withRates(response, quota) };
    }
    const end = quota.begin(kind === "query" ? "queries" : "streams");
    if (kind === "query") {
      return {
        answered(response) {
          end();
          return response;
        },
      };
    }
    return { answered: (response) => this.#streamed(request, response, end) };
  }

  #streamed(request: Request, response: Response, end: () => void): Response {
    if (response.status === SWITCHING_PROTOCOLS) {
      this.#sockets.set(request, end);
      return response;
    }
    if (response.ok && response.body !== null) return withEnd(response, response.body, end);
    end();
    return response;
  }
}

/** The answer with what is left of the rates. */
function withRates(response: Response, quota: Quota): Response {
  const rates = quota.headers();
  if (rates === null) return response;
  response.headers.set("ratelimit-policy", rates.policy);
  response.headers.set("ratelimit", rates.state);
  return response;
}

/** The answer, with a call when its body has ended or nobody reads it any more. */
function withEnd(
  { status, headers }: Response,
  body: ReadableStream<Uint8Array>,
  end: () => void,
): Response {
  const reader = body.getReader();
  const watched = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    cancel(reason) {
      end();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return new Response(watched, { status, headers });
}
