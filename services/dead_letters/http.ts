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
import { type Context, Hono } from "hono";
import { z } from "zod";
import { DEAD_LETTERS_PAGE_DEFAULT, DEAD_LETTERS_PAGE_MAX } from "../../lib/config/limits.ts";
import {
  numberParameter,
  textParameter,
  timeParameter,
  wordParameter,
} from "../../lib/http/api_parameters.ts";
import { type ApiRoute, jsonAnswer, jsonBody } from "../../lib/http/api_route.ts";
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

const ROLES = ["gateway", "analytics"] as const;

const filterMembers = {
  reason: textParameter("A reason code, such as missing_field or poison"),
  topic: textParameter("The letter's topic"),
  partition: textParameter("A whole number"),
  from: timeParameter("Set aside at this time or later"),
  to: timeParameter("Set aside before this time"),
  q: textParameter("A text in the payload or the message, case and all"),
  state: wordParameter(["waiting", "replayed", "all"], "waiting if missing"),
};
const pageToken = textParameter("next_page_token of the answer before");
const filter = z.strictObject(filterMembers).optional().describe("Letters that match");
const ids = z.array(z.string()).optional().describe(`Up to ${DEAD_LETTERS_PAGE_MAX} letters`);

const listRoute: ApiRoute = {
  method: "get",
  path: PATH,
  id: "listDeadLetters",
  tag: "Dead letters",
  summary: "Dead letters, newest first",
  roles: ROLES,
  query: {
    ...filterMembers,
    limit: numberParameter(
      1,
      DEAD_LETTERS_PAGE_MAX,
      `Letters on a page; ${DEAD_LETTERS_PAGE_DEFAULT} if missing`,
    ),
    page_token: pageToken,
  },
  answers: jsonAnswer("A page of letters", LetterListSchema),
  example: { query: { reason: "missing_field", limit: "20" } },
};

const showRoute: ApiRoute = {
  method: "get",
  path: `${PATH}/{id}`,
  id: "getDeadLetter",
  tag: "Dead letters",
  summary: "One dead letter",
  roles: ROLES,
  params: { id: "The letter's id" },
  answers: jsonAnswer("The letter, whatever its state", LetterSchema),
  example: { params: { id: "analytics-events-2-1041-0" } },
};

const replayRoute: ApiRoute = {
  method: "post",
  path: `${PATH}/replay`,
  id: "replayDeadLetters",
  tag: "Dead letters",
  summary: "Send dead letters again",
  roles: ROLES,
  body: jsonBody(
    z.strictObject({
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
  answers: jsonAnswer("A verdict for each letter", ReplaySchema),
  example: { body: { filter: { reason: "missing_field" }, limit: 100 } },
};

const dropRoute: ApiRoute = {
  method: "post",
  path: `${PATH}/drop`,
  id: "dropDeadLetters",
  tag: "Dead letters",
  summary: "Forget dead letters",
  roles: ROLES,
  body: jsonBody(z.strictObject({ ids, filter }).describe("One of ids and filter")),
  answers: jsonAnswer("How many were forgotten", DropSchema),
  example: { body: { filter: { reason: "invalid_json", to: "2024-05-06T00:00:00Z" } } },
};

/** For the OpenAPI document. */
export const DEAD_LETTER_ROUTES = [listRoute, showRoute, replayRoute, dropRoute];

/** The routes, to be mounted at the root. */
export function deadLetterRoutes(options: DeadLetterRoutesOptions): Hono {
  const { deadLetters, projectOf } = options;
  const app = new Hono();
  app.get(listRoute.path, async (context) => {
    const selection = readListQuery(new URL(context.req.url).searchParams);
    return context.json(letterListJson(await deadLetters.list(projectOf(context), selection)));
  });
  app.get(`${PATH}/:id`, async (context) => {
    const id = context.req.param("id");
    return context.json(letterJson(await deadLetters.show(projectOf(context), id)));
  });
  app.post(replayRoute.path, async (context) => {
    const request = await readBody(options, context, readReplayBody);
    const project = projectOf(context);
    if ("letters" in request) {
      return context.json(replayJson(await deadLetters.replay(project, request.letters), null));
    }
    const { verdicts, next } = await deadLetters.replayMatching(project, request.selection);
    return context.json(replayJson(verdicts, next));
  });
  app.post(dropRoute.path, async (context) => {
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
