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
import { type Context, Hono } from "hono";
import { z } from "zod";
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
import { isOperator, type Principal, SCOPES } from "../../lib/auth/principal.ts";
import {
  KEY_LIFE_SECONDS_MAX,
  KEY_OVERLAP_SECONDS_DEFAULT,
  KEY_OVERLAP_SECONDS_MAX,
} from "../../lib/config/access_limits.ts";
import { type ApiRoute, jsonAnswer, jsonBody } from "../../lib/http/api_route.ts";
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
  project: projectNameSchema.optional().describe("The caller's own if missing"),
  scopes: scopesSchema.meta({
    type: "array",
    items: { type: "string", enum: SCOPES },
    minItems: 1,
    description: "What it may do",
  }),
  name: keyNameSchema.optional().describe("What it is for"),
  expires_in_seconds: wholeNumber(1, KEY_LIFE_SECONDS_MAX).optional().describe("Never if missing"),
  limits: limitsSchema.optional().describe("Its own, beside the project's"),
});
const rotateBody = message({
  overlap_seconds: wholeNumber(0, KEY_OVERLAP_SECONDS_MAX).optional()
    .describe(`How long the old key goes on, s; ${KEY_OVERLAP_SECONDS_DEFAULT} if missing`),
});
const projectBody = message({
  name: projectNameSchema.describe("1 to 63 of a-z, 0-9, - and _"),
  limits: limitsSchema.optional().describe("What all of it may do together"),
});

const common = { tag: "Keys and projects", roles: ["gateway", "analytics"] } as const;
const params = { id: "The key's id: what stands between its underscores" };

/** For the OpenAPI document. */
export const KEY_ROUTES: readonly ApiRoute[] = [
  {
    ...common,
    method: "get",
    path: "/v1/keys",
    id: "listKeys",
    summary: "API keys of the own project; of all, to admins of the project default",
    answers: jsonAnswer("The keys", z.strictObject({ keys: z.array(KeySchema) })),
    example: {},
  },
  {
    ...common,
    method: "post",
    path: "/v1/keys",
    id: "createKey",
    summary: "Make an API key",
    body: jsonBody(keyBody),
    answers: made("The key, in this answer and in no other", MadeKeySchema),
    example: { body: { scopes: ["ingest"], name: "till", expires_in_seconds: 7_776_000 } },
  },
  {
    ...common,
    method: "post",
    path: "/v1/keys/{id}/revoke",
    id: "revokeKey",
    summary: "End an API key at once",
    params,
    answers: jsonAnswer("The key", KeySchema),
    example: { params: { id: "Zk3vYx0a" } },
  },
  {
    ...common,
    method: "post",
    path: "/v1/keys/{id}/rotate",
    id: "rotateKey",
    summary: "Replace an API key; the old one ends after the overlap",
    params,
    body: { isRequired: false, content: { "application/json": rotateBody } },
    answers: made("The new key, in this answer and in no other", MadeKeySchema),
    example: { params: { id: "Zk3vYx0a" }, body: { overlap_seconds: 3_600 } },
  },
  {
    ...common,
    method: "get",
    path: "/v1/projects",
    id: "listProjects",
    summary: "All projects, to admins of the project default; else the own one",
    answers: jsonAnswer("The projects", z.strictObject({ projects: z.array(ProjectSchema) })),
    example: {},
  },
  {
    ...common,
    method: "post",
    path: "/v1/projects",
    id: "createProject",
    summary: "Make a project",
    body: jsonBody(projectBody),
    answers: made("The project", ProjectSchema),
    example: { body: { name: "shop", limits: { events_per_second: 5_000 } } },
  },
];

/** The routes, to be mounted at the root. */
export function keyRoutes(options: KeyRoutesOptions): Hono {
  const { watch, principalOf, now = Date.now } = options;
  const app = new Hono();
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

function made(description: string, shape: z.ZodType): ApiRoute["answers"] {
  return { 201: { description, content: { "application/json": shape } } };
}
