/**
 * How much a caller may do: events and bytes a second as token buckets, streams and queries at the
 * same time. A caller with a key has two allowances, the key's own and its project's; a request needs
 * room in both, and takes from neither when one lacks it.
 *
 * A bucket holds RATE_BURST_SECONDS of its rate. A request that is larger than the whole bucket is
 * let through when the bucket is full, and paid off before the next one: the rate holds in the long
 * run, and no request is impossible.
 */
import { RATE_BURST_SECONDS } from "../config/access_limits.ts";
import { ProblemError } from "../http/problem.ts";

/** Limits as they are set; a missing one limits nothing. */
export interface Limits {
  readonly events_per_second?: number;
  readonly bytes_per_second?: number;
  /** Live streams and exports at the same time. */
  readonly streams?: number;
  /** Questions at the same time. */
  readonly queries?: number;
}

/** A clock, ms, that never goes back. */
export type Clock = () => number;

/** A rate, spent and refilled. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #now: Clock;
  #tokens: number;
  #atMs: number;

  /** `perSecond`: above 0. */
  constructor(readonly perSecond: number, now: Clock) {
    this.#capacity = perSecond * RATE_BURST_SECONDS;
    this.#tokens = this.#capacity;
    this.#now = now;
    this.#atMs = now();
  }

  /** Whole tokens there are now; 0 while a large request is being paid off. */
  get remaining(): number {
    this.#refill();
    return Math.max(0, Math.floor(this.#tokens));
  }

  /** Seconds until the bucket is full. */
  get secondsToFull(): number {
    this.#refill();
    return (this.#capacity - this.#tokens) / this.perSecond;
  }

  /** Seconds until `count` can be taken; 0 = now. */
  secondsUntil(count: number): number {
    this.#refill();
    return Math.max(0, (Math.min(count, this.#capacity) - this.#tokens) / this.perSecond);
  }

  /** Takes, into debt if need be. */
  take(count: number): void {
    this.#refill();
    this.#tokens -= count;
  }

  #refill(): void {
    const nowMs = this.#now();
    this.#tokens = Math.min(
      this.#capacity,
      this.#tokens + (nowMs - this.#atMs) * this.perSecond / 1_000,
    );
    this.#atMs = nowMs;
  }
}

/** What streams and queries are called in refusals. */
type Kind = "streams" | "queries";

/** The limits of one key or one project, and what of them is used. */
export class Allowance {
  readonly events: TokenBucket | null;
  readonly bytes: TokenBucket | null;
  readonly #open: Record<Kind, number> = { streams: 0, queries: 0 };

  /** `name`: whose limits they are, for refusals: "key" or "project". */
  constructor(readonly name: "key" | "project", readonly limits: Limits, now: Clock) {
    const { events_per_second: events, bytes_per_second: bytes } = limits;
    this.events = events === undefined ? null : new TokenBucket(events, now);
    this.bytes = bytes === undefined ? null : new TokenBucket(bytes, now);
  }

  /** @throws {ProblemError} rate_limited */
  refuseBeyond(kind: Kind): void {
    const most = this.limits[kind];
    if (most === undefined || this.#open[kind] < most) return;
    throw new ProblemError(
      "rate_limited",
      `this ${this.name} may have ${most} ${kind} at the same time; wait for one to end`,
    );
  }

  open(kind: Kind): void {
    this.#open[kind]++;
  }

  close(kind: Kind): void {
    this.#open[kind]--;
  }
}

/** What one caller may do. */
export class Quota {
  readonly #allowances: readonly Allowance[];

  constructor(allowances: readonly Allowance[]) {
    this.#allowances = allowances;
  }

  /**
   * Counts events that are about to be stored. All or nothing.
   * @throws {ProblemError} rate_limited with the time after which they fit
   */
  takeEvents(events: number, bytes: number): void {
    this.#refuse(events, bytes);
    for (const each of this.#allowances) {
      each.events?.take(events);
      each.bytes?.take(bytes);
    }
  }

  /** Refuses before a body is read where not even one event would fit. @throws {ProblemError} */
  refuseIfSpent(): void {
    this.#refuse(1, 1);
  }

  /** Begins a stream or a query; call what it gives once, when that ends. @throws {ProblemError} */
  begin(kind: Kind): () => void {
    for (const each of this.#allowances) each.refuseBeyond(kind);
    for (const each of this.#allowances) each.open(kind);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      for (const each of this.#allowances) each.close(kind);
    };
  }

  /** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10); null = no rates. */
  headers(): { readonly policy: string; readonly state: string } | null {
    const buckets = this.#allowances.flatMap(({ name, events, bytes }) => [
      ...(events === null ? [] : [{ name: `${name}-events`, unit: "", bucket: events }]),
      ...(bytes === null ? [] : [{ name: `${name}-bytes`, unit: `;qu="bytes"`, bucket: bytes }]),
    ]);
    if (buckets.length === 0) return null;
    return {
      policy: buckets.map(({ name, unit, bucket }) =>
        `"${name}";q=${bucket.perSecond}${unit};w=${RATE_BURST_SECONDS}`
      ).join(", "),
      state: buckets.map(({ name, bucket }) =>
        `"${name}";r=${bucket.remaining};t=${Math.ceil(bucket.secondsToFull)}`
      ).join(", "),
    };
  }

  #refuse(events: number, bytes: number): void {
    for (const { name, events: rate, bytes: byteRate } of this.#allowances) {
      this.#refuseRate(name, "events", rate, events);
      this.#refuseRate(name, "bytes", byteRate, bytes);
    }
  }

  #refuseRate(name: string, unit: string, bucket: TokenBucket | null, count: number): void {
    const seconds = bucket?.secondsUntil(count) ?? 0;
    if (seconds <= 0) return;
    throw new ProblemError(
      "rate_limited",
      `this ${name} may send ${bucket!.perSecond} ${unit} a second; send less, or later`,
      { retryAfterSeconds: seconds },
    );
  }
}
