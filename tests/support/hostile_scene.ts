/** What tests of hostile clients share: mutations, another client meanwhile, memory, counts. */
import assert from "node:assert/strict";
import { waitUntil } from "./deadline.ts";
import { grpcPortOf, TestGrpcClient } from "./grpc_client.ts";
import { residentBytes } from "./process_memory.ts";
import type { TestServer } from "./server.ts";

/** Most that the server may grow by while it is attacked, bytes. */
export const GROWTH_BYTES_MAX = 400 * 1024 * 1024;

export const INGESTION = "analytics.v1.EventIngestionService";

/** Numbers from 0 up to 1 that are the same in each run (mulberry32). */
export function randomOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = (t + Math.imul(t ^ t >>> 7, 61 | t)) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Bytes that are dangerous more often than others. */
const NASTY = [0, 0x0a, 0x0d, 0x22, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xed, 0xff];

/** A copy of `bytes` with one to four changes: bytes replaced, put in, left out, repeated, cut. */
export function mutated(bytes: Uint8Array, random: () => number): Uint8Array<ArrayBuffer> {
  let all = [...bytes];
  const below = (n: number) => Math.floor(random() * n);
  const anyByte = () => random() < 0.5 ? below(256) : NASTY[below(NASTY.length)];
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(all.length + 1);
    const kind = below(20);
    if (kind < 9) all[at] = anyByte();
    else if (kind < 12) all[at] ^= 1 << below(8);
    else if (kind < 14) all.splice(at, 0, anyByte());
    else if (kind < 16) all.splice(at, 1 + below(4));
    else if (kind < 18) all.splice(at, 0, ...all.slice(at, at + below(20)));
    else if (kind < 19) all = all.slice(0, at);
    else all.splice(at, below(8), ...Array.from({ length: below(12) }, anyByte));
  }
  return Uint8Array.from(all);
}

/** Another client that goes on all the while: sends an event, looks at the answer, and again. */
export class Bystander {
  /** Events that were answered with success. */
  answered = 0;
  /** The longest that an answer took, ms. */
  slowestMs = 0;
  #going = true;
  readonly #done: Promise<void>;

  private constructor(client: TestGrpcClient) {
    this.#done = this.#go(client).finally(() => client[Symbol.dispose]());
    // It is told by end().
    this.#done.catch(() => {});
  }

  static async beside(server: TestServer): Promise<Bystander> {
    return new Bystander(await TestGrpcClient.connect(INGESTION, grpcPortOf(server)));
  }

  /** Stops; throws when any answer was wrong, late or missing. Gives how many there were. */
  async end(): Promise<number> {
    this.#going = false;
    await this.#done;
    assert.ok(this.answered > 0, "the other client got answers");
    return this.answered;
  }

  async #go(client: TestGrpcClient): Promise<void> {
    while (this.#going) {
      const id = `bystander-${this.answered}`;
      const event = {
        id,
        user_id: "bystander",
        event_type: "EVENT_TYPE_USER",
        timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
        user_event: { action: "page_view" },
      };
      const startedMs = performance.now();
      const answer = await client.call("IngestEvent", { event }, { timeoutMs: 10_000 });
      assert.deepEqual([answer.success, answer.event_id], [true, id]);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs);
      this.answered++;
    }
  }
}

/** Looks at a process's memory until end(), which comes before the process's own. */
export class MemoryWatch implements Disposable {
  readonly #pid: number;
  readonly #before: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #peak: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#before = this.#peak = residentBytes(pid);
    this.#timer = setInterval(() => this.#look(), 100);
  }

  /** Looks once more and then no longer; gives by how much the process has grown at most, bytes. */
  end(): number {
    this[Symbol.dispose]();
    this.#look();
    return this.#peak - this.#before;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#peak = Math.max(this.#peak, residentBytes(this.#pid));
  }
}

/**
 * Waits until so many events are stored, and all that was taken is; throws when it is another
 * number. `what`: `*`, or what is counted once, as `DISTINCT id`.
 */
export async function assertStored(
  server: TestServer,
  expected: number,
  what = "*",
): Promise<void> {
  await waitUntil(async () => {
    const response = await fetch(`${server.urls.consumer}/lag`);
    const lags = Object.values<Record<string, number>>((await response.json()).lag);
    const isStored = lags.every((each) => Object.values(each).every((lag) => lag === 0));
    return isStored && await stored(server, what) >= expected;
  }, { what: `${expected} stored events`, deadlineMs: 20_000 });
  assert.equal(await stored(server, what), expected);
}

async function stored(server: TestServer, what: string): Promise<number> {
  const response = await fetch(`${server.urls.gateway}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql: `SELECT count(${what}) AS n FROM events` }),
  });
  const { rows } = await response.json();
  return Number(rows[0][0]);
}
