/**
 * `rta query live`: a line for each window of a live stream, or with `--events` one for each event,
 * until it is interrupted, has shown as many as wanted, or the platform ends the stream. A stream
 * that breaks is opened anew where it broke (Last-Event-ID), so that no window is shown twice.
 */
import { IMPORT_ATTEMPTS_MAX } from "../../lib/config/limits.ts";
import { waitUnlessAborted } from "../../lib/wait/abortable_wait.ts";
import { type CommandIo, EXIT_DONE } from "./command_io.ts";
import { clean } from "./dlq_text.ts";
import { type Json, type QueryClient, QueryError, type QueryRequest } from "./query_client.ts";
import { withQueryClient } from "./query_command.ts";
import {
  commonParameters,
  listIn,
  numberIn,
  objectIn,
  type QueryOptions,
  textIn,
  withoutUndefined,
} from "./query_kind.ts";
import { groupedNumber } from "./text_table.ts";

/** What `rta query live` takes beside the choice of events. */
export interface LiveOptions extends QueryOptions {
  /** Seconds of a window. */
  readonly window?: number;
  /** A property whose most frequent values are shown. */
  readonly top?: string;
  /** The events themselves. */
  readonly events?: boolean;
  /** Share of the events that is shown. */
  readonly sample?: string;
  /** Ends after so many windows or events. */
  readonly count?: number;
}

/** One message of a stream. */
interface StreamedMessage {
  readonly event: string;
  readonly id: string | null;
  readonly data: Json;
}

const reconnectMs = 1_000;
const clockFrom = "2026-01-31T".length;
const clockTo = "2026-01-31T12:00:00".length;

/** Shows the stream. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function liveCommand(options: LiveOptions, io: CommandIo): Promise<number> {
  return withQueryClient(options, io, async (client) => {
    let left = options.count ?? Infinity;
    let lastId: string | null = null;
    for (let broken = 0; broken <= IMPORT_ATTEMPTS_MAX; broken++) {
      if (broken > 0) {
        io.stderr.write("the stream broke off; it is opened again\n");
        await waitUnlessAborted(reconnectMs, io.signal);
      }
      for await (const message of messages(client, requestOf(options), lastId, io.signal)) {
        lastId = message.id ?? lastId;
        const line = options.json ? jsonLine(message) : lineOf(message);
        if (message.event === "window" || message.event === "event") {
          io.stdout.write(line);
          broken = 0;
          if (--left <= 0) return EXIT_DONE;
        } else io.stderr.write(options.json ? "" : line);
        if (message.event === "end") return EXIT_DONE;
      }
    }
    throw new QueryError(`the stream broke off ${IMPORT_ATTEMPTS_MAX} times in a row`);
  });
}

function requestOf(options: LiveOptions): QueryRequest {
  const { window, top, events, sample } = options;
  if (events) {
    return {
      path: "/v1/live/events",
      parameters: { ...commonParameters(options, 0), ...withoutUndefined({ sample }) },
    };
  }
  const own = {
    window_seconds: window === undefined ? undefined : String(window),
    top,
  };
  return {
    path: "/v1/live",
    parameters: { ...commonParameters(options, 0), ...withoutUndefined(own) },
  };
}

/** Messages until the stream ends or breaks. Throws QueryError when it is refused. */
async function* messages(
  client: QueryClient,
  request: QueryRequest,
  lastId: string | null,
  signal: AbortSignal,
): AsyncGenerator<StreamedMessage> {
  const headers: Record<string, string> = lastId === null ? {} : { "last-event-id": lastId };
  const response = await client.open(request, "text/event-stream", headers);
  let rest = "";
  try {
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const message = messageIn(block);
        if (message !== null) yield message;
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof QueryError) throw error;
    // The connection broke; whoever reads opens it anew.
  }
}

/** The message of one block of server-sent events; null = a comment. */
function messageIn(block: string): StreamedMessage | null {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  const data = fields.get("data");
  if (data === undefined) return null;
  try {
    return {
      event: fields.get("event") ?? "message",
      id: fields.get("id") ?? null,
      data: JSON.parse(data),
    };
  } catch (cause) {
    throw new QueryError("the stream holds what is no JSON", { cause });
  }
}

function jsonLine({ data }: StreamedMessage): string {
  return `${JSON.stringify(data)}\n`;
}

function lineOf({ event, data }: StreamedMessage): string {
  switch (event) {
    case "window":
      return `${clean(windowText(data))}\n`;
    case "event":
      return `${clean(eventText(data))}\n`;
    case "missed":
      return `missed ${data.missed ?? "some"}: they came faster than they were read\n`;
    case "end":
      return `the platform ended the stream: ${clean(`${data.code}: ${data.message}`)}\n`;
    case "second":
      return data.dropped === 0 ? "" : `${data.dropped} more events of this second are not shown\n`;
    default:
      return "";
  }
}

/** `12:00:05  1,204 events  120.4/s  311 users  page_view 800, click 404`. */
function windowText(frame: Json): string {
  const metrics = listIn(frame, "metrics");
  const named = (name: string) => {
    const metric = metrics.find((each) => each.name === name);
    return metric === undefined ? "-" : groupedNumber(numberIn(metric, "value") ?? 0);
  };
  const labelled = (name: string, label: string) =>
    metrics.filter((metric) => metric.name === name)
      .map((metric) => `${textIn(objectIn(metric, "labels"), label)} ${numberIn(metric, "value")}`)
      .join(", ");
  const lacking = frame.complete === false ? "not complete" : "";
  return [
    textIn(frame, "timestamp")?.slice(clockFrom, clockTo),
    `${named("events").padStart(9)} events`,
    `${named("events_per_second").padStart(9)}/s`,
    `${named("active_users").padStart(7)} users`,
    labelled("events_by_type", "event_type"),
    labelled("top_values", "value"),
    lacking,
  ].filter((part) => part !== "").join("  ");
}

/** `12:00:05.120  ann  page_view  page=/pricing`. */
function eventText(event: Json): string {
  const properties = Object.entries((event.properties ?? {}) as Json)
    .map(([key, value]) => `${key}=${value}`);
  return [textIn(event, "timestamp"), textIn(event, "user_id"), textIn(event, "type")]
    .concat(properties).join("  ");
}
