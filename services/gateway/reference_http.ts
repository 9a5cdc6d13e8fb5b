/**
 * The reference of the REST API: `GET /openapi.json`, and `GET /docs` for people. Both are made when
 * they are first asked for, and the same until the process ends.
 */
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { z } from "zod";
import { type ApiRoute, jsonAnswer } from "../../lib/http/api_route.ts";
import type { AppEnv } from "../../lib/http/app.ts";
import type { OpenApiDocument } from "../../lib/openapi/openapi_document.ts";
import { referencePage } from "../../lib/openapi/reference_page.ts";

const common = { method: "get", tag: "Reference", roles: ["gateway"], example: {} } as const;

const documentRoute: ApiRoute = {
  ...common,
  path: "/openapi.json",
  id: "getOpenApi",
  summary: "The REST API as OpenAPI 3.1",
  answers: jsonAnswer("The document", z.looseObject({ openapi: z.string() })),
};
const pageRoute: ApiRoute = {
  ...common,
  path: "/docs",
  id: "getReference",
  summary: "The REST API as a page to read",
  answers: { 200: { description: "The page", content: { "text/html": z.string() } } },
};

/** For the OpenAPI document itself. */
export const REFERENCE_ROUTES = [documentRoute, pageRoute];

/** The routes, to be mounted in the gateway. */
export function referenceRoutes(makeDocument: () => OpenApiDocument): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  let document: OpenApiDocument | null = null;
  let json: Answer | null = null;
  let page: Answer | null = null;
  const made = () => document ??= makeDocument();
  routes.get(documentRoute.path, (context) => {
    json ??= answerOf(JSON.stringify(made()), { "content-type": "application/json" });
    return respond(context.req.raw, json);
  });
  routes.get(pageRoute.path, (context) => {
    if (page === null) {
      const { html, policy } = referencePage(made());
      const headers = { "content-type": "text/html; charset=utf-8", ...pageHeaders(policy) };
      page = answerOf(html, headers);
    }
    return respond(context.req.raw, page);
  });
  return routes;
}

function pageHeaders(policy: string): Record<string, string> {
  return {
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
}

interface Answer {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Browsers ask again each time, and are told at once when nothing has changed. */
function answerOf(text: string, headers: Record<string, string>): Answer {
  const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
  return { text, headers: { ...headers, etag, "cache-control": "no-cache" } };
}

function respond(request: Request, { text, headers }: Answer): Response {
  const known = request.headers.get("if-none-match")?.split(/,\s*/) ?? [];
  const isKnown = known.some((tag) => tag.replace(/^W\//, "") === headers.etag);
  return isKnown ? new Response(null, { status: 304, headers }) : new Response(text, { headers });
}
