/**
 * The routes of keys and projects, for admins, on the gateway (8080) and the analytics port (8083):
 *
 *     GET  /v1/keys               of the own project; of all, to admins of the project default
 *     POST /v1/keys               make one; the key is in this answer and in no other
 *     POST /v1/keys/{id}/revoke   end it at once
 *     POST /v1/keys/{id}/rotate   a new one in its place; the old one ends after the overlap
 *     GET  /v1/projects           all of them, to admins of the project default; else the own one
 *     POST /v1/projects           make one; by admins of the project default
 *
 * A key of a project that the caller has nothing to do with is answered as one that is not there.
 */
import { createRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import {
  addKey,
  addProject,
  type KeyBook,
  KeyBookError,
  keyNameSchema,
  limitsSchema,
  projectNameSchema,
  revokeKey,
  rotateKey,
  scopesSchema,
} from "../../lib/auth/key_book.ts";
import { KeyFileError } from "../../lib/auth/key_file.ts";
import type { KeyWatch } from "../../lib/auth/key_watch.ts";
import { isOperator, type Principal } from "../../lib/auth/principal.ts";
import {
  KEY_LIFE_SECONDS_MAX,
  KEY_OVERLAP_SECONDS_DEFAULT,
  KEY_OVERLAP_SECONDS_MAX,
} from "../../lib/config/access_limits.ts";
import { checkedBy, jsonOf, message, wholeNumber } from "../../lib/http/json_body.ts";
import { requireJson } from "../../lib/http/media_type.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import { keyJson, KeySchema, MadeKeySchema, ProjectSchema, projectsJson } from "./key_json.ts";

/** What the routes work with. */
export interface KeyRoutesOptions {
  readonly watch: KeyWatch;
  readonly bodies: BodyReader;
  readonly principalOf: (context: Context) => Principal;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

const keyBody = message({
  project: projectNameSchema.optional(),
  scopes: scopesSchema,
  name: keyNameSchema.optional(),
  expires_in_seconds: wholeNumber(1, KEY_LIFE_SECONDS_MAX).optional(),
  limits: limitsSchema.optional(),
});
const rotateBody = message({ overlap_seconds: wholeNumber(0, KEY_OVERLAP_SECONDS_MAX).optional() });
const projectBody = message({ name: projectNameSchema, limits: limitsSchema.optional() });

const ID = { params: z.object({ id: z.string() }) };
const ROUTES = [
  route("get", "/v1/keys", "API keys", z.object({ keys: z.array(KeySchema) })),
  route("post", "/v1/keys", "Make an API key", MadeKeySchema, withBody()),
  route("post", "/v1/keys/{id}/revoke", "End an API key", KeySchema, ID),
  route("post", "/v1/keys/{id}/rotate", "Replace an API key", MadeKeySchema, withBody(ID)),
  route("get", "/v1/projects", "Projects", z.object({ projects: z.array(ProjectSchema) })),
  route("post", "/v1/projects", "Make a project", ProjectSchema, withBody()),
];

/** The routes, to be mounted at the root. */
export function keyRoutes(options: KeyRoutesOptions): OpenAPIHono {
  const { watch, principalOf, now = Date.now } = options;
  const app = new OpenAPIHono();
  for (const config of ROUTES) app.openAPIRegistry.registerPath(config);
  const shown = (book: KeyBook, id: string) =>
    keyJson(book.keys.find((key) => key.id === id)!, watch.lastUseOf(id), now());

  app.get("/v1/keys", (context) => {
    const who = principalOf(context);
    const { book } = watch;
    const own = book.keys.filter(({ project }) => mayManage(who, project));
    return context.json({ keys: own.map(({ id }) => shown(book, id)) }, 200, NO_STORE);
  });
  app.post("/v1/keys", async (context) => {
    const who = principalOf(context);
    const { project = who.project, scopes, name = "", expires_in_seconds: seconds, limits } =
      await read(options, context, keyBody);
    if (!mayManage(who, project)) throw foreignProject();
    const expiresAtMs = seconds === undefined ? null : now() + seconds * 1_000;
    const wish = { project, scopes, name, expiresAtMs, limits };
    const { book, key, record } = await changed(watch, (before) => addKey(before, wish, now()));
    return context.json({ key, ...shown(book, record.id) }, 201, NO_STORE);
  });
  app.post("/v1/keys/:id/revoke", async (context) => {
    const id = context.req.param("id");
    const { book } = await changed(watch, (before) => {
      requireOwn(before, id, principalOf(context));
      return { book: revokeKey(before, id, now()) };
    });
    return context.json(shown(book, id), 200, NO_STORE);
  });
  app.post("/v1/keys/:id/rotate", async (context) => {
    const id = context.req.param("id");
    const { overlap_seconds: overlap = KEY_OVERLAP_SECONDS_DEFAULT } = await read(
      options,
      context,
      rotateBody,
      {},
    );
    const { book, key, record } = await changed(watch, (before) => {
      requireOwn(before, id, principalOf(context));
      return rotateKey(before, id, overlap, now());
    });
    return context.json({ key, ...shown(book, record.id) }, 201, NO_STORE);
  });
  app.get("/v1/projects", (context) => {
    const who = principalOf(context);
    const all = projectsJson(watch.book.projects);
    return context.json({ projects: all.filter(({ name }) => mayManage(who, name)) });
  });
  app.post("/v1/projects", async (context) => {
    if (!isOperator(principalOf(context))) throw foreignProject();
    const wish = await read(options, context, projectBody);
    const { book } = await changed(watch, (before) => ({ book: addProject(before, wish, now()) }));
    return context.json(book.projects.find(({ name }) => name === wish.name), 201);
  });
  return app;
}

/** Answers with keys in them are for nobody else. */
const NO_STORE = { "cache-control": "no-store" };

function mayManage(who: Principal, project: string): boolean {
  return who.project === project || isOperator(who);
}

function foreignProject(): ProblemError {
  return new ProblemError(
    "permission_denied",
    "other projects are managed by admins of the project default",
    { field: "project" },
  );
}

/** Another project's key is none. @throws {KeyBookError} not_found */
function requireOwn(book: KeyBook, id: string, who: Principal): void {
  const record = book.keys.find((key) => key.id === id);
  if (record !== undefined && mayManage(who, record.project)) return;
  throw new KeyBookError("not_found", "id", "there is no such key");
}

async function changed<T extends { readonly book: KeyBook }>(
  watch: KeyWatch,
  change: (book: KeyBook) => T,
): Promise<T> {
  try {
    return await watch.change(change);
  } catch (error) {
    if (error instanceof KeyFileError) {
      throw new ProblemError("auth_unavailable", "the key file can't be changed", { cause: error });
    }
    if (!(error instanceof KeyBookError)) throw error;
    const code = ({
      invalid: "invalid_parameter",
      not_found: "not_found",
      exists: "already_exists",
      full: "resources_exceeded",
    } as const)[error.code];
    throw new ProblemError(code, error.message, { field: error.field || undefined, cause: error });
  }
}

/** The body by the schema; `preset` where there is none. */
async function read<T>(
  { bodies }: KeyRoutesOptions,
  context: Context,
  schema: z.ZodType<T>,
  preset?: unknown,
): Promise<T> {
  const request = context.req.raw;
  if (preset !== undefined && request.body === null) return checkedBy(schema, preset);
  requireJson(request.headers);
  const body = await bodies.read(request);
  try {
    return checkedBy(schema, jsonOf(body.bytes));
  } finally {
    body.release();
  }
}

function withBody(request: RouteConfig["request"] = {}): RouteConfig["request"] {
  const content = { "application/json": { schema: z.looseObject({}) } };
  return { ...request, body: { content } };
}

/** A route that answers with the schema or a problem (RFC 9457). */
function route(
  method: "get" | "post",
  path: string,
  summary: string,
  answer: z.ZodType,
  request?: RouteConfig["request"],
): RouteConfig {
  const isMade = method === "post" && !path.endsWith("/revoke");
  return createRoute({
    method,
    path,
    summary,
    request,
    responses: {
      [isMade ? 201 : 200]: {
        description: summary,
        content: { "application/json": { schema: answer } },
      },
      default: {
        description: "The request can't be answered (RFC 9457)",
        content: { "application/problem+json": { schema: z.looseObject({ code: z.string() }) } },
      },
    },
  });
}
