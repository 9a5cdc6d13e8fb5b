/**
 * Questions that a gateway without the role analytics passes on to the process that has it
 * (RTA_ANALYTICS_URL): the same path, query, headers and body; the answer comes back as a stream.
 */
import { type Context, Hono } from "hono";
import { FORWARD_MS_MAX } from "../../lib/config/limits.ts";
import type { AppEnv } from "../../lib/http/app.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { REQUEST_ID_HEADER } from "../../lib/http/request_id.ts";
import { forwardLive } from "./forward_live.ts";

/** Paths that belong to the role analytics. */
const FORWARDED = [
  "/v1/analytics/*",
  "/v1/dead-letters",
  "/v1/dead-letters/*",
  "/v1/export",
  "/v1/sql",
];

/** Live streams: see forward_live.ts. */
const LIVE = ["/v1/live", "/v1/live/events"];

/** What pages of other origins may is said at this door, not behind it. */
const GRANTS = ["access-control-allow-origin", "access-control-expose-headers"];

/** Headers that belong to one connection (RFC 9110, 7.6.1), or that fetch sets itself. */
const OWN_HEADERS = [
  "connection",
  "content-encoding",
  "content-length",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** The process that has the role analytics. */
export interface AnalyticsPlace {
  /** Such as `http://analytics:8083`. */
  readonly origin: string;
  /** What it is spoken to with; null = as anybody. */
  readonly client: Deno.HttpClient | null;
}

/** The routes, to be mounted in the gateway. `stopping` is aborted when the process stops. */
export function forwardRoutes(
  { origin, client }: AnalyticsPlace,
  stopping: AbortSignal,
): Hono<AppEnv> {
  const ask: typeof fetch = client === null
    ? fetch
    : (url, init) => fetch(url, { ...init, client });
  const routes = new Hono<AppEnv>();
  for (const path of LIVE) {
    routes.get(path, (context) => {
      const { raw } = context.req;
      const { pathname, search } = new URL(raw.url);
      const headers = forwardedHeaders(context);
      return forwardLive(ask, raw, { url: `${origin}${pathname}${search}`, headers, stopping });
    });
  }
  for (const path of FORWARDED) routes.all(path, (context) => forward(ask, context, origin));
  return routes;
}

async function forward(
  ask: typeof fetch,
  context: Context<AppEnv>,
  origin: string,
): Promise<Response> {
  const { raw, method } = context.req;
  const url = new URL(raw.url);
  const headers = forwardedHeaders(context);
  // Not awaited for the body: it may be a stream without an end.
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), FORWARD_MS_MAX);
  const signal = AbortSignal.any([raw.signal, giveUp.signal]);
  let answer: Response;
  try {
    answer = await ask(`${origin}${url.pathname}${url.search}`, {
      method,
      headers,
      body: raw.body,
      redirect: "manual",
      signal,
    });
  } catch (error) {
    const what = giveUp.signal.aborted ? `has not answered in ${FORWARD_MS_MAX} ms` : "is away";
    throw new ProblemError("store_unavailable", `the analytics service ${what}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  const answerHeaders = withoutOwn(answer.headers);
  for (const name of [REQUEST_ID_HEADER, ...GRANTS]) answerHeaders.delete(name);
  return new Response(answer.body, { status: answer.status, headers: answerHeaders });
}

function forwardedHeaders(context: Context<AppEnv>): Headers {
  const headers = withoutOwn(context.req.raw.headers);
  headers.set(REQUEST_ID_HEADER, context.env.requestId);
  return headers;
}

function withoutOwn(headers: Headers): Headers {
  const kept = new Headers(headers);
  for (const name of OWN_HEADERS) kept.delete(name);
  return kept;
}
