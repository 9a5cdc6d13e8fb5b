/**
 * `GET /v1/live` and `GET /v1/live/events`, as server-sent events or, asked for by an upgrade, over
 * a WebSocket. It turns a query string into a request of live_streams.ts and updates into messages,
 * and nothing else. Refusals are thrown as ProblemError, for the server's one error handler.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import {
  FILTER_TEXT_CHARS_MAX,
  FILTER_TYPES_MAX,
  LIVE_TAIL_PER_SECOND_DEFAULT,
  LIVE_TAIL_PER_SECOND_MAX,
  LIVE_TOP_DEFAULT,
  LIVE_TOP_MAX,
  LIVE_WINDOW_SECONDS_DEFAULT,
  LIVE_WINDOW_SECONDS_MAX,
} from "../../lib/config/limits.ts";
import {
  listParameter,
  mapParameter,
  numberParameter,
  textParameter,
} from "../../lib/http/api_parameters.ts";
import {
  EVENT_STREAM_TYPE,
  eventStreamResponse,
  type MessageSource,
  StreamMessage,
} from "../../lib/http/event_stream.ts";
import { invalidParameter } from "../../lib/http/json_body.ts";
import { socketResponse, wantsSocket } from "../../lib/http/socket_stream.ts";
import { CATEGORY_NUMBERS } from "../../lib/query/filter/filter.ts";
import { EventSchema } from "./answer_json.ts";
import { type GetRoute, getRoute, type GetRouteParts, parametersOf } from "./get_route.ts";
import { windowIdOf } from "./live_frame.ts";
import type { LiveUpdate } from "./live_reader.ts";
import { type LiveStreamJson, LiveStreamSchema } from "./live_stream_json.ts";
import type { LiveStreamReader, LiveStreamRequest, LiveStreams } from "./live_streams.ts";
import type { QueryParameters } from "./query_parameters.ts";

/** What the routes work with. */
export interface LiveStreamRoutesOptions {
  readonly streams: LiveStreams;
  /** The project that a request may read. */
  readonly projectOf: (context: Context) => string;
  /** Has `stop` called when a stream's caller may not read any more; gives what takes that back. */
  readonly whileGood?: (request: Request, stop: () => void) => () => void;
  /** Told when the WebSocket that a request asked for is closed. */
  readonly socketClosed?: (request: Request) => void;
}

const filterParameters = {
  event_types: listParameter("Event types"),
  filters: mapParameter("filters[NAME]=text: a property or field is equal to it"),
  filter: textParameter("A list of conditions as JSON"),
};

/** Live windows. */
export const windowRoute = streamRoute({
  path: "/v1/live",
  id: "streamLive",
  summary: "Live windows, one each second",
  query: {
    window_seconds: numberParameter(
      1,
      LIVE_WINDOW_SECONDS_MAX,
      `${LIVE_WINDOW_SECONDS_DEFAULT} if missing`,
    ),
    ...filterParameters,
    top: textParameter("A property whose most frequent values are listed"),
    top_limit: numberParameter(1, LIVE_TOP_MAX, `${LIVE_TOP_DEFAULT} if missing`),
    window_id: textParameter("The last window that was seen, as Last-Event-ID is"),
  },
  sends: LiveStreamSchema,
  example: { query: { window_seconds: "10", top: "page" } },
});

const tailRoute = streamRoute({
  path: "/v1/live/events",
  id: "streamLiveEvents",
  summary: "Events as they arrive, sampled",
  query: {
    ...filterParameters,
    sample: z.number().gt(0).max(1).optional().describe("Share of the events; 1 if missing"),
    max_per_second: numberParameter(
      1,
      LIVE_TAIL_PER_SECOND_MAX,
      `${LIVE_TAIL_PER_SECOND_DEFAULT} if missing`,
    ),
    last_event_id: textParameter("The last event that was seen"),
  },
  sends: EventSchema,
  example: { query: { max_per_second: "10" } },
});

/** For the OpenAPI document. */
export const LIVE_STREAM_ROUTES = [windowRoute, tailRoute];

/** The routes of live streams. */
export function liveStreamRoutes(options: LiveStreamRoutesOptions): Hono {
  const { streams, projectOf } = options;
  const answer = (context: Context, open: () => LiveStreamReader) =>
    streamAnswer(context, open, options);
  const app = new Hono();
  app.get(windowRoute.path, (context) => {
    const query = parametersOf(context, windowRoute.names);
    const lastId = lastSeen(context, query, "window_id");
    const request = windowsRequest(query, projectOf(context), lastId);
    return answer(context, () => streams.openWindows(request));
  });
  app.get(tailRoute.path, (context) => {
    const query = parametersOf(context, tailRoute.names);
    typesOf(query);
    return answer(context, () =>
      streams.openTail({
        project: projectOf(context),
        filter: query.filter(),
        sample: sampleOf(query),
        perSecondMax: query.integer("max_per_second", 1, LIVE_TAIL_PER_SECOND_MAX) ??
          LIVE_TAIL_PER_SECOND_DEFAULT,
        afterId: lastSeen(context, query, "last_event_id"),
      }));
  });
  return app;
}

/** The windows that the parameters ask for. `lastId`: of the last window that the reader had. */
export function windowsRequest(
  query: QueryParameters,
  project: string,
  lastId: string | null,
): LiveStreamRequest {
  const types = typesOf(query);
  const isFiltered = query.hasConditions || types.some((type) => CATEGORY_NUMBERS.has(type));
  const windowSeconds = query.integer("window_seconds", 1, LIVE_WINDOW_SECONDS_MAX) ??
    LIVE_WINDOW_SECONDS_DEFAULT;
  return {
    project,
    filter: query.filter(),
    eventTypes: isFiltered || types.length === 0 ? null : types,
    isFiltered,
    windowSeconds,
    top: topOf(query),
    topLimit: query.integer("top_limit", 1, LIVE_TOP_MAX) ?? LIVE_TOP_DEFAULT,
    afterSecond: secondOf(lastId, windowSeconds),
  };
}

/** A stream is opened only once it is clear that it can be sent. */
function streamAnswer(
  context: Context,
  open: () => LiveStreamReader,
  { whileGood = () => nothing, socketClosed = nothing }: LiveStreamRoutesOptions,
): Response {
  const { raw } = context.req;
  const reader = open();
  const release = whileGood(raw, () => reader.end("unauthenticated", CREDENTIALS_ENDED));
  const { next, close } = messagesOf(reader);
  const messages: MessageSource = {
    async next() {
      const some = await next();
      if (some === null) release();
      return some;
    },
    close() {
      release();
      close();
    },
  };
  if (!wantsSocket(raw.headers)) return eventStreamResponse(messages);
  const closeSocket = () => {
    messages.close();
    socketClosed(raw);
  };
  return socketResponse(raw, { next: messages.next, close: closeSocket });
}

const nothing = () => {};
const CREDENTIALS_ENDED = "the key or token that opened this stream has ended";

/** Updates as messages. */
function messagesOf(reader: LiveStreamReader): MessageSource {
  return {
    async next() {
      const update = await reader.next();
      return update === null ? null : messageOf(update);
    },
    close: () => reader.close(),
  };
}

/** Messages of frames and events that many readers are sent. */
const shared = new WeakMap<object, StreamMessage>();

function messageOf(update: LiveUpdate<LiveStreamJson>): StreamMessage[] {
  switch (update.kind) {
    case "window":
      return [sharedMessage(update, "window")];
    case "events":
      return update.items.map((item) => sharedMessage(item, "event"));
    case "second":
    case "missed":
    case "end": {
      const { kind, ...data } = update;
      return [new StreamMessage(kind, JSON.stringify(data))];
    }
  }
}

function sharedMessage(
  what: { readonly id: string; readonly text: string },
  event: string,
): StreamMessage {
  let message = shared.get(what);
  if (message === undefined) {
    message = new StreamMessage(event, what.text, what.id);
    shared.set(what, message);
  }
  return message;
}

function typesOf(query: QueryParameters): string[] {
  const types = query.list("event_types");
  if (types.length <= FILTER_TYPES_MAX) return types;
  throw invalidParameter("event_types", `at most ${FILTER_TYPES_MAX} event types can be named`);
}

function topOf(query: QueryParameters): string | null {
  const top = query.text("top");
  if (top === null || top.length <= FILTER_TEXT_CHARS_MAX) return top;
  throw invalidParameter("top", `must be a name of at most ${FILTER_TEXT_CHARS_MAX} characters`);
}

function sampleOf(query: QueryParameters): number {
  const text = query.text("sample") ?? "1";
  const sample = /^(?:0?\.\d{1,9}|0|1|1\.0+)$/.test(text) ? Number(text) : NaN;
  if (sample > 0 && sample <= 1) return sample;
  throw invalidParameter("sample", "sample must be a number above 0 and up to 1, such as 0.1");
}

/** What the reader had last; browsers say it in a header when they come back. */
function lastSeen(context: Context, query: QueryParameters, name: string): string | null {
  return context.req.header("last-event-id") || query.text(name);
}

/** The second at which a window ended, from its id. */
function secondOf(windowId: string | null, windowSeconds: number): number | null {
  if (windowId === null) return null;
  const second = Number(/^\d{1,4}s-(\d{1,11})$/.exec(windowId)?.[1] ?? NaN);
  if (windowId === windowIdOf(windowSeconds, second)) return second;
  const detail = `must be the window_id of a window of ${windowSeconds} s, such as ` +
    windowIdOf(windowSeconds, 1_700_000_000);
  throw invalidParameter("window_id", detail);
}

interface StreamRouteParts extends Omit<GetRouteParts, "tag" | "answer"> {
  /** The data of its messages. */
  readonly sends: z.ZodType;
}

function streamRoute({ sends, ...parts }: StreamRouteParts): GetRoute {
  const route = getRoute({ ...parts, tag: "Live", answer: sends });
  const stream = {
    description: "Messages whose data is of this form, without an end; some of other kinds, as " +
      "docs/REST_API.md says. Asked by an upgrade they come over a WebSocket",
    content: { [EVENT_STREAM_TYPE]: sends },
  };
  return { ...route, answers: { 200: stream } };
}
