/**
 * What the truth suite is made of: a case is one kind of question, with random questions of that
 * kind, the request that puts one to the platform, and the oracle: what the answer must be, worked
 * out from the events themselves. A pair is one set of events and one question.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AnswerScene } from "./answer_scene.ts";
import { sceneHandler } from "./scene_handler.ts";
import { TRUTH_END_MS, TRUTH_START_MS, type TruthEvent, truthInstants } from "./truth_events.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const HUNDREDTH = 0.01;

/** One question, as it goes over the wire. */
export interface TruthRequest {
  /** With its query string. */
  readonly path: string;
  /** A JSON body makes it a POST. */
  readonly body?: unknown;
}

/** The answer to it. */
export interface TruthAnswer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- JSON, looked into by the oracles
  readonly body: any;
}

/** Puts a question to the platform. */
export type Asker = (request: TruthRequest) => Promise<TruthAnswer>;

/** One kind of question. */
export interface TruthCase<Question> {
  readonly kind: string;
  readonly questions: fc.Arbitrary<Question>;
  /** Asks, and gives what is to be compared between platforms; throws where the answer is wrong. */
  hold(question: Question, events: readonly TruthEvent[], ask: Asker): Promise<unknown>;
}

/** A time range of a question, [fromMs, toMs). */
export interface TruthRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** All of the fortnight, whole days, awkward instants, an hour, or nothing. */
export const truthRanges: fc.Arbitrary<TruthRange> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ fromMs: TRUTH_START_MS, toMs: TRUTH_END_MS }) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(11), fc.nat(14)).map(([day, days]) => ({
      fromMs: TRUTH_START_MS + day * DAY_MS,
      toMs: TRUTH_START_MS + Math.min(14, day + days) * DAY_MS,
    })),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(truthInstants, truthInstants).map(([a, b]) => ({
      fromMs: Math.min(a, b),
      toMs: Math.max(a, b),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(13), fc.nat(23)).map(([day, hour]) => ({
      fromMs: TRUTH_START_MS + day * DAY_MS + hour * HOUR_MS,
      toMs: TRUTH_START_MS + day * DAY_MS + (hour + 1) * HOUR_MS,
    })),
  },
);

/** The range as parameters of a query string. */
export function rangeParameters({ fromMs, toMs }: TruthRange): Record<string, string> {
  return { "time_range.start": String(fromMs), "time_range.end": String(toMs) };
}

/** The range as a member of a body. */
export function rangeBody({ fromMs, toMs }: TruthRange): { start: string; end: string } {
  return { start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() };
}

/** Asks through the gateway's own handler, without a socket. */
export function sceneAsker(scene: AnswerScene, project: () => string): Asker {
  const handler = sceneHandler(scene, project);
  return (request) =>
    asked(request, (path, init) => {
      return handler(new Request(`http://localhost${path}`, init));
    });
}

/** Asks a running platform. */
export function httpAsker(gateway: string): Asker {
  return (request) => asked(request, (path, init) => fetch(`${gateway}${path}`, init));
}

async function asked(
  { path, body }: TruthRequest,
  put: (path: string, init: RequestInit) => Promise<Response>,
): Promise<TruthAnswer> {
  const init = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await put(path, init);
  return { status: response.status, body: await response.json() };
}

/** The body of an answer that must be one, with all that is known counted. */
export async function answerTo(ask: Asker, request: TruthRequest): Promise<TruthAnswer["body"]> {
  const { status, body } = await ask(request);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.complete, true, "everything that was received is counted");
  return body;
}

/** What platforms must agree on: all of an answer but how and when it was made. */
export function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !OWN_AFFAIRS.has(key));
  return Object.fromEntries(kept.map(([key, each]) => [key, comparable(each)]));
}

/** Times of the asking, places in partitions, and what is different on each platform. */
const OWN_AFFAIRS = new Set([
  "processing_time",
  "complete_until",
  "last_updated",
  "next_page_token",
  "received_at",
]);

/** A number that may be off by as much as the answer says of itself. */
export function assertWithin(actual: number, expected: number, accuracy: string, what = ""): void {
  if (accuracy === "exact") {
    assertClose(actual, expected, what);
    return;
  }
  const error = /^approximate, error ([\d.]+) %$/.exec(accuracy);
  assert.ok(error !== null, `${what}: accuracy ${accuracy}`);
  const allowed = Number(error[1]) * HUNDREDTH * Math.abs(expected) * (1 + 1e-9);
  assert.ok(Math.abs(actual - expected) <= allowed, `${what}: ${actual}, not ${expected}`);
}

/** Equal but for the rounding of doubles. */
export function assertClose(actual: number, expected: number, what = ""): void {
  if (actual === expected) return;
  const off = Math.abs(actual - expected) / Math.max(Math.abs(actual), Math.abs(expected));
  assert.ok(off <= 1e-9, `${what}: ${actual}, not ${expected}`);
}
