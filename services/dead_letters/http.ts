/**
 * The routes of dead letters, for the gateway (8080) and the analytics port (8083) to mount. They
 * turn requests into calls of dead_letters.ts and its answers into JSON, and nothing else; refusals
 * are thrown as ProblemError, for the server's one error handler.
 *
 *     GET  /v1/dead-letters          search
 *     GET  /v1/dead-letters/{id}     show
 *     POST /v1/dead-letters/replay   by ids, by filter, or with edited payloads
 *     POST /v1/dead-letters/drop     by ids or by filter
 */
import { createRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { DEAD_LETTERS_PAGE_DEFAULT, DEAD_LETTERS_PAGE_MAX } from "../../lib/config/limits.ts";
import { requireJson } from "../../lib/http/media_type.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import type { DeadLetters } from "./dead_letters.ts";
import {
  DropSchema,
  letterJson,
  letterListJson,
  LetterListSchema,
  LetterSchema,
  replayJson,
  ReplaySchema,
} from "./letter_json.ts";
import { readDropBody, readListQuery, readReplayBody } from "./letter_requests.ts";

/** What the routes work with. */
export interface DeadLetterRoutesOptions {
  readonly deadLetters: DeadLetters;
  /** Shared by all ports of the process, so that its limits are the process's. */
  readonly bodies: BodyReader;
  /** The project that a request may read and change. */
  readonly projectOf: (context: Context) => string;
}

const PATH = "/v1/dead-letters";

const timeParameter = (what: string) =>
  z.string().optional().describe(`${what}: RFC 3339, or unix seconds or milliseconds`);

const filterMembers = {
  reason: z.string().optional().describe("A reason code, such as missing_field or poison"),
  topic: z.string().optional(),
  partition: z.string().optional().describe("A whole number"),
  from: timeParameter("Set aside at this time or later"),
  to: timeParameter("Set aside before this time"),
  q: z.string().optional().describe("A text in the payload or the message, case and all"),
  state: z.string().optional().describe("waiting (default), replayed or all"),
};
const pageToken = z.string().optional().describe("next_page_token of the answer before");
const filter = z.object(filterMembers).optional().describe("Letters that match");
const ids = z.array(z.string()).optional().describe(`Up to ${DEAD_LETTERS_PAGE_MAX} letters`);

const listRoute = route("get", PATH, "Dead letters, newest first", LetterListSchema, {
  query: z.object({
    ...filterMembers,
    limit: z.string().optional().describe(
      `Letters on a page, 1 to ${DEAD_LETTERS_PAGE_MAX}; ${DEAD_LETTERS_PAGE_DEFAULT} if missing`,
    ),
    page_token: pageToken,
  }),
});

const showRoute = route("get", `${PATH}/{id}`, "One dead letter", LetterSchema, {
  params: z.object({ id: z.string() }),
});

const replayRoute = route("post", `${PATH}/replay`, "Send dead letters again", ReplaySchema, {
  body: jsonBody(
    z.object({
      ids,
      letters: z.array(z.object({
        id: z.string(),
        payload: z.string(),
        payload_encoding: z.enum(["text", "base64"]).optional(),
      })).optional().describe("Letters with payloads in place of their own"),
      filter,
      limit: z.int().optional().describe(`With filter: 1 to ${DEAD_LETTERS_PAGE_MAX} letters`),
      page_token: pageToken,
    }).describe("One of ids, letters and filter"),
  ),
});

const dropRoute = route("post", `${PATH}/drop`, "Forget dead letters", DropSchema, {
  body: jsonBody(z.object({ ids, filter }).describe("One of ids and filter")),
});

/** The routes, to be mounted at the root. */
export function deadLetterRoutes(options: DeadLetterRoutesOptions): OpenAPIHono {
  const { deadLetters, projectOf } = options;
  const app = new OpenAPIHono();
  for (const config of [listRoute, showRoute, replayRoute, dropRoute]) {
    app.openAPIRegistry.registerPath(config);
  }
  app.get(PATH, async (context) => {
    const selection = readListQuery(new URL(context.req.url).searchParams);
    return context.json(letterListJson(await deadLetters.list(projectOf(context), selection)));
  });
  app.get(`${PATH}/:id`, async (context) => {
    const id = context.req.param("id");
    return context.json(letterJson(await deadLetters.show(projectOf(context), id)));
  });
  app.post(`${PATH}/replay`, async (context) => {
    const request = await readBody(options, context, readReplayBody);
    const project = projectOf(context);
    if ("letters" in request) {
      return context.json(replayJson(await deadLetters.replay(project, request.letters), null));
    }
    const { verdicts, next } = await deadLetters.replayMatching(project, request.selection);
    return context.json(replayJson(verdicts, next));
  });
  app.post(`${PATH}/drop`, async (context) => {
    const request = await readBody(options, context, readDropBody);
    const project = projectOf(context);
    const dropped = "ids" in request
      ? await deadLetters.drop(project, request.ids)
      : await deadLetters.dropMatching(project, request.filter);
    return context.json({ dropped_count: dropped });
  });
  return app;
}

async function readBody<T>(
  { bodies }: DeadLetterRoutesOptions,
  context: Context,
  read: (bytes: Uint8Array) => T,
): Promise<T> {
  const request = context.req.raw;
  requireJson(request.headers);
  const body = await bodies.read(request);
  try {
    return read(body.bytes);
  } finally {
    body.release();
  }
}

function jsonBody(schema: z.ZodType) {
  return { required: true, content: { "application/json": { schema } } };
}

/** A route that answers 200 with the schema or a problem (RFC 9457). */
function route(
  method: "get" | "post",
  path: string,
  summary: string,
  answer: z.ZodType,
  request: RouteConfig["request"],
): RouteConfig {
  return createRoute({
    method,
    path,
    summary,
    request,
    responses: {
      200: { description: summary, content: { "application/json": { schema: answer } } },
      default: {
        description: "The request can't be answered (RFC 9457)",
        content: { "application/problem+json": { schema: z.looseObject({ code: z.string() }) } },
      },
    },
  });
}
