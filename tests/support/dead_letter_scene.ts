/**
 * The routes of dead letters on a file of their own, without a socket: replayed events go through
 * the real acceptance to a producer in memory.
 */
import { type LetterParts, makeDeadLetter } from "../../lib/dead_letter/dead_letter.ts";
import { type DeadLetterFile, openDeadLetterFile } from "../../lib/dead_letter/dead_letter_file.ts";
import type { Handler } from "../../lib/http/app.ts";
import { BodyReader } from "../../lib/http/read_body.ts";
import { createServiceHandler } from "../../lib/http/service_handler.ts";
import { createLogger } from "../../lib/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../lib/telemetry/metrics.ts";
import { DeadLetters } from "../../services/dead_letters/dead_letters.ts";
import { deadLetterRoutes } from "../../services/dead_letters/http.ts";
import { type IngestHandlers, NOW_MS, openIngestHandlers } from "./ingest_handlers.ts";

const HOUR_MS = 3_600_000;

/** A complete event; the letter of it can be replayed as it is. */
export const GOOD_PAYLOAD =
  '{"id":"a-1","user_id":"ada","event_type":"click","timestamp":"2026-01-31T09:00:00Z"}';

export interface DeadLetterScene {
  readonly file: DeadLetterFile;
  /** Where replayed events go: `ingest.producer`. */
  readonly ingest: IngestHandlers;
  readonly metrics: Metrics;
  readonly deadLetters: DeadLetters;
  /** A port with the routes, for requests of the project shop. */
  readonly handler: Handler;
}

/** Runs with a scene on a temporary folder. It is NOW_MS there, always. */
export async function withDeadLetters(
  use: (scene: DeadLetterScene) => Promise<void>,
  options: { readonly lettersMax?: number } = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const file = await openDeadLetterFile({ folder, ...options });
  const ingest = openIngestHandlers();
  const metrics = createMetrics(NOW_MS, () => NOW_MS);
  const deadLetters = new DeadLetters({
    file,
    metrics,
    now: () => NOW_MS,
    acceptLine: (project, line) =>
      ingest.acceptor.acceptOne(line, { form: "plain", mode: "durable", project }),
  });
  const handler = createServiceHandler({
    operational: {
      service: "analytics",
      metrics,
      startedAtMs: NOW_MS,
      health: () => ({ status: "healthy", logStatus: "healthy" }),
      ready: () => ({ ready: true }),
    },
    logger: createLogger("silent"),
    routes: [
      deadLetterRoutes({ deadLetters, bodies: new BodyReader(), projectOf: () => "shop" }),
    ],
  });
  try {
    await use({ file, ingest, metrics, deadLetters, handler });
  } finally {
    await file.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A letter of the project shop; the higher its offset, the newer. Its id is letterId(offset). */
export function letterAt(
  offset: number,
  payload: string | Uint8Array,
  more: Partial<LetterParts> = {},
) {
  const letter = makeDeadLetter({
    topic: "analytics-events",
    partition: 2,
    offset,
    line: 0,
    project: "shop",
    message: "user_id is missing; send a string",
    timeMs: NOW_MS - HOUR_MS + offset,
    receivedAtMs: NOW_MS - 2 * HOUR_MS,
    payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
    ...more,
    reason: "missing_field",
  });
  return { ...letter, reason: more.reason ?? letter.reason };
}

/** The id of letterAt(offset). */
export function letterId(offset: number): string {
  return `analytics-events-2-${offset}-0`;
}
