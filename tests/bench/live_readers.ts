/**
 * Readers of live streams, a process of its own: keeps so many streams of windows of one second open
 * until it is told to end, and sends probes meanwhile if it has any: from the answer of each to the
 * moment in which each reader has read a window with it.
 */
import { EventStreamSource } from "../../lib/http/event_stream.ts";
import { readOrder, sayResult, sayStarted, toldToEnd } from "./bench_process.ts";
import { KeepAliveConnection, postRequest } from "./keep_alive_connection.ts";

/** What is to be read and sent. */
export interface LiveOrder {
  readonly gateway: string;
  readonly ingestion: string;
  readonly readers: number;
  /** Events to send, one after the other; 0 = none. */
  readonly probes: number;
}

/** What was read. */
export interface LiveResult {
  /** Of every probe and reader: from its answer until it was read, ms. */
  readonly tookMs: number[];
  /** Probes that a reader has not read, of all of them; 0, unless something is wrong. */
  readonly unread: number;
  readonly windows: number;
  /** Windows that readers were told they missed. */
  readonly missed: number;
}

/** Types of probes, in turn: two of one type are never in the same window. */
const PROBE_TYPES = 40;
const PREFIX = "live_probe_";
/** Mean rest between two probes. */
const restMsMean = 50;
/** A probe that is not read by then is lost, ms. */
const lostMs = 10_000;

const order = readOrder<LiveOrder>();
/** When each probe was answered. */
const answeredAt: number[] = [];
const tookMs: number[] = [];
let windows = 0;
let missed = 0;
let isOver = false;

interface Metric {
  readonly name: string;
  readonly value: number;
  readonly labels: { readonly event_type?: string };
}

async function read(source: EventStreamSource): Promise<void> {
  /** By type, probes that were read. */
  const seen = new Array<number>(PROBE_TYPES).fill(0);
  for (let some = await source.next(); some !== null; some = await source.next()) {
    const nowMs = performance.now();
    for (const { event, data } of some) {
      if (event === "missed") missed += JSON.parse(data).missed;
      if (event !== "window") continue;
      windows++;
      for (const { name, value, labels } of JSON.parse(data).metrics as Metric[]) {
        if (name !== "events_by_type" || !labels.event_type?.startsWith(PREFIX)) continue;
        const type = Number(labels.event_type.slice(PREFIX.length));
        for (let count = 0; count < value; count++) {
          tookMs.push(nowMs - answeredAt[type + PROBE_TYPES * seen[type]++]);
        }
      }
    }
  }
  if (!isOver) throw new Error("a stream has ended");
}

async function sendProbes(): Promise<void> {
  const connection = await KeepAliveConnection.open(order.ingestion);
  const url = `${order.ingestion}/events`;
  for (let probe = 0; probe < order.probes; probe++) {
    const type = `${PREFIX}${probe % PROBE_TYPES}`;
    const event = { id: `live-${probe}`, user_id: `live-${probe}`, event_type: type };
    const body = new TextEncoder().encode(JSON.stringify(event));
    const { status } = await connection.exchange(postRequest(url, "application/json", body));
    if (status !== 200) throw new Error(`a probe was answered ${status}`);
    answeredAt.push(performance.now());
    await rest(2 * restMsMean * Math.random());
  }
  connection.close();
  const wanted = order.probes * order.readers;
  for (const endMs = performance.now() + lostMs; tookMs.length < wanted;) {
    if (performance.now() > endMs) return;
    await rest(10);
  }
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const sources = await Promise.all(Array.from({ length: order.readers }, async () => {
  const response = await fetch(`${order.gateway}/v1/live?window_seconds=1`);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return new EventStreamSource(response.body!);
}));
const reading = Promise.all(sources.map(read));
sayStarted();
await Promise.race([reading, order.probes > 0 ? sendProbes() : toldToEnd()]);
isOver = true;
for (const source of sources) source.close();
await reading;
const unread = order.probes * order.readers - tookMs.length;
sayResult({ tookMs, unread, windows, missed } satisfies LiveResult);
Deno.exit(0);
