/**
 * Peer of the batch case, a process of its own: one core that does nothing but JSON.parse on the
 * bytes of the same batches, line by line. Gives events per second.
 */
import { readOrder, sayResult } from "./bench_process.ts";
import { madeLines } from "./made_events.ts";

/** What is to be parsed. */
export interface ParseOrder {
  readonly batchEvents: number;
  readonly seconds: number;
}

/** Different batches, so that no line is found in a cache. */
const BATCHES = 100;
const warmUpShare = 0.2;

const { batchEvents, seconds } = readOrder<ParseOrder>();
const batches = Array.from(
  { length: BATCHES },
  (_, index) => madeLines(batchEvents, index, Date.now()),
);
const decoder = new TextDecoder();
/** Kept and given back, so that the parsing cannot be left out. */
let timestamps = 0;

function parseBatch(batch: Uint8Array): void {
  const text = decoder.decode(batch);
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\n", at);
    timestamps += JSON.parse(text.slice(at, end)).timestamp;
    at = end + 1;
  }
}

function parseFor(durationMs: number): number {
  const startedAt = performance.now();
  let events = 0;
  for (let turn = 0; performance.now() - startedAt < durationMs; turn++) {
    parseBatch(batches[turn % BATCHES]);
    events += batchEvents;
  }
  return events / ((performance.now() - startedAt) / 1000);
}

parseFor(seconds * 1000 * warmUpShare);
const perSecond = parseFor(seconds * 1000);
sayResult(timestamps > 0 ? perSecond : NaN);
