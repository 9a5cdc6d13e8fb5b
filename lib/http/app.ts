/**
 * The router of a role, and what every answer of a role has in common: a request id, problems for
 * all that goes wrong, counts, and a line in the log.
 *
 *     request -> createHandler: id, meter -> direct route, else the Hono app -> id echoed, logged
 *
 * Direct routes are the few paths that are asked tens of thousands of times a second. They are
 * looked up by their exact path before the router is asked: measured, the router with one
 * middleware costs 1.9 us a request and the look-up 0.1 us, where a bare Deno.serve takes 9 us in
 * all. Everything else goes through Hono.
 */
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Role } from "../config/variables.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { TRACEPARENT_HEADER } from "../telemetry/trace_context.ts";
import { requestTraceparent } from "../telemetry/tracing.ts";
import { logAnswer, shortened } from "./access_log.ts";
import type { Admission, Admitted } from "./admission.ts";
import type { CrossOrigin } from "./cross_origin.ts";
import { ProblemError, problemResponse } from "./problem.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./request_id.ts";

/** What handlers find in their context: `c.env.requestId`. */
export interface AppEnv {
  Bindings: { requestId: string };
}

/** The answer to one request, given its id. May throw ProblemError. */
export type DirectRoute = (request: Request, requestId: string) => Promise<Response>;

export interface HandlerOptions {
  readonly service: Role;
  readonly app: Hono<AppEnv>;
  /** By method and path, such as `POST /events`; the path is matched exactly, without its query. */
  readonly direct?: Readonly<Record<string, DirectRoute>>;
  /** Who may ask what; everybody everything when missing. */
  readonly admission?: Admission;
  /** What pages of other origins may; nothing is looked at when missing. */
  readonly crossOrigin?: CrossOrigin;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Answers any request; never throws. Takes what Deno.serve gives. */
export type Handler = (request: Request) => Promise<Response>;

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

/** Paths that machines ask for all the time, like direct routes. */
const PROBE_PATHS = new Set(["/health", "/ready", "/metrics", "/stats", "/lag"]);

/** A router whose unknown addresses, methods and failures are answered by problems. */
export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.notFound((context) => {
    throw unknownAddress(context, allowedMethods(app, context.req.path));
  });
  // Handled by createHandler, for direct routes as well.
  app.onError((error) => {
    throw error;
  });
  return app;
}

/** The handler of a role, for Deno.serve. */
export function createHandler(options: HandlerOptions): Handler {
  const { service, app, admission, crossOrigin, logger, metrics } = options;
  const meter = metrics.httpMeter(service);
  const routes = directRoutes(options.direct ?? {});
  // The clock is asked on direct routes only when somebody will read the answer.
  const timesDirect = logger.isLevelEnabled("debug");

  return async function handle(request) {
    meter.begin();
    const requestId = requestIdOf(request.headers);
    const path = pathOf(request.url);
    const direct = routes.get(path);
    // A request that became a WebSocket has no headers any more when it is logged.
    const trace = direct === undefined || timesDirect ? traceOf(request) : null;
    const startedMs = direct === undefined || timesDirect ? performance.now() : 0;
    let response: Response;
    let failure: unknown = null;
    let admitted: Admitted | null = null;
    try {
      if (admission !== undefined) {
        const judged = admission.admit(request, path);
        // Not awaited without need: a turn of the event loop for each request is not free.
        admitted = judged instanceof Promise ? await judged : judged;
      }
      const preflight = crossOrigin?.preflight(request) ?? null;
      if (preflight !== null) response = preflight;
      else if (direct === undefined) response = await app.fetch(request, { requestId });
      else if (direct.method === request.method) response = await direct.route(request, requestId);
      else throw methodNotAllowed([direct.method]);
      response.headers.append(REQUEST_ID_HEADER, requestId);
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status >= 500) failure = error;
      metrics.errors.inc({ service, error_type: problem.code });
      response = problemResponse(problem, requestId);
      response.headers.append(REQUEST_ID_HEADER, requestId);
    }
    if (admitted !== null) response = admitted.answered(response);
    crossOrigin?.mark(request, response);
    const { status } = response;
    meter.end(status);
    if (direct === undefined || timesDirect || (status >= 400 && status !== 429)) {
      const durationMs = startedMs === 0 ? undefined : performance.now() - startedMs;
      const { method } = request;
      const isProbe = direct !== undefined || PROBE_PATHS.has(path);
      const caller = admission?.callerOf(request) ?? null;
      const traceparent = direct === undefined ? trace : trace ?? traceOf(request);
      const answer = { requestId, traceparent, method, path, status, durationMs };
      logAnswer(logger, { ...answer, isProbe, caller, failure });
    }
    return response;
  };
}

function traceOf(request: Request): string | null {
  return requestTraceparent(request.headers.get(TRACEPARENT_HEADER));
}

interface MatchedRoute {
  readonly method: string;
  readonly route: DirectRoute;
}

/** Direct routes by path. */
function directRoutes(direct: Readonly<Record<string, DirectRoute>>): Map<string, MatchedRoute> {
  return new Map(
    Object.entries(direct).map(([key, route]) => {
      const [method, path] = key.split(" ");
      return [path, { method, route }];
    }),
  );
}

/** What a thrown value means to the client. */
function problemOf(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new ProblemError("invalid_parameter", error.message || undefined, { cause: error });
  }
  return new ProblemError("internal", undefined, { cause: error });
}

function unknownAddress(context: Context, allowed: readonly string[]): ProblemError {
  return allowed.length > 0 ? methodNotAllowed(allowed) : new ProblemError(
    "not_found",
    `nothing is found at ${shortened(context.req.path)}`,
  );
}

function methodNotAllowed(allowed: readonly string[]): ProblemError {
  const allow = allowed.join(", ");
  return new ProblemError("method_not_allowed", `send ${allow}`, { headers: { allow } });
}

/** Methods that a handler of `app`, other than a middleware, answers at this path. */
function allowedMethods(app: Hono<AppEnv>, path: string): string[] {
  return METHODS.filter((method) =>
    app.router.match(method === "HEAD" ? "GET" : method, path)[0]
      .some(([[, route]]) => route.method !== "ALL")
  );
}

/** The path of an absolute URL, without its query; percent-encoding stays. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  if (start < 0) return "/";
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}
