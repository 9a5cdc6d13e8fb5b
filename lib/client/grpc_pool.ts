/**
 * Connections to one gRPC server: up to a number of them, opened when calls need them, pinged, closed
 * when nothing uses them, replaced when they break.
 *
 *     a call takes the connection with the fewest calls; while all have some and there is room for
 *     one more, it opens that
 */
import {
  CLIENT_CONNECT_MS_MAX,
  CLIENT_IDLE_MS,
  CLIENT_KEEPALIVE_MS,
  CLIENT_KEEPALIVE_TIMEOUT_MS,
  CLIENT_POOL_SIZE,
  CLIENT_POOL_SIZE_MAX,
} from "../config/client_limits.ts";
import { GrpcChannel, GrpcError } from "../grpc/grpc_channel.ts";
import { Status } from "../grpc/status_code.ts";
import type { Http2Place } from "../http2/connect_http2.ts";
import { clientError } from "./api_error.ts";
import { numberWithin } from "./client_options.ts";
import type { Clock } from "./clock.ts";

export interface PoolOptions {
  /** Connections, 1 to 64; 2 if missing. */
  readonly poolSize?: number;
  /** A connection without a call is closed after this long, ms; 5 min if missing. */
  readonly idleMs?: number;
  /** How often a connection is pinged, ms; 30 s if missing. */
  readonly keepaliveMs?: number;
  /** A ping without an answer for this long ends the connection, ms; 10 s if missing. */
  readonly keepaliveTimeoutMs?: number;
}

/** What the pool needs of a connection: GrpcChannel. */
export interface PooledChannel {
  readonly isOpen: boolean;
  ping(): Promise<void>;
  close(): void;
}

export interface PoolParts<C extends PooledChannel> {
  readonly clock: Clock;
  /** Opens a connection. Rejects with GrpcError. */
  readonly connect: () => Promise<C>;
}

interface Slot<C> {
  readonly channel: Promise<C>;
  /** null = connecting. */
  open: C | null;
  calls: number;
  /** When the last call ended, ms since the epoch. */
  usedAt: number;
  takeBack: () => void;
}

export class ChannelPool<C extends PooledChannel> {
  readonly #parts: PoolParts<C>;
  readonly #size: number;
  readonly #idleMs: number;
  readonly #keepaliveMs: number;
  readonly #keepaliveTimeoutMs: number;
  #slots: Slot<C>[] = [];
  #isClosed = false;

  /** @throws ApiError `invalid_option` */
  constructor(parts: PoolParts<C>, options: PoolOptions) {
    this.#parts = parts;
    const within = (name: keyof PoolOptions, preset: number, max = 2 ** 31 - 1) =>
      numberWithin(name, options[name], { preset, max, min: 1 });
    this.#size = within("poolSize", CLIENT_POOL_SIZE, CLIENT_POOL_SIZE_MAX);
    this.#idleMs = within("idleMs", CLIENT_IDLE_MS);
    this.#keepaliveMs = within("keepaliveMs", CLIENT_KEEPALIVE_MS);
    this.#keepaliveTimeoutMs = within("keepaliveTimeoutMs", CLIENT_KEEPALIVE_TIMEOUT_MS);
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#slots.filter(({ open }) => open?.isOpen).length;
  }

  /** Makes a call on the connection with the fewest. Rejects as connecting or the call does. */
  async use<T>(call: (channel: C) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw clientError("client_closed");
    const slot = this.#leastUsed();
    slot.calls++;
    try {
      return await call(await slot.channel);
    } finally {
      slot.calls--;
      slot.usedAt = this.#parts.clock.now();
    }
  }

  /** Closes every connection, and with it the calls on it. */
  close(): void {
    this.#isClosed = true;
    for (const slot of [...this.#slots]) this.#drop(slot);
  }

  #leastUsed(): Slot<C> {
    for (const slot of [...this.#slots]) if (slot.open?.isOpen === false) this.#retire(slot);
    const least = this.#slots.toSorted((a, b) => a.calls - b.calls)[0];
    const isEnough = least?.calls === 0 || this.#slots.length >= this.#size;
    return least !== undefined && isEnough ? least : this.#newSlot();
  }

  #newSlot(): Slot<C> {
    const { connect, clock } = this.#parts;
    const slot: Slot<C> = {
      ...{ channel: connect(), open: null, calls: 0, usedAt: clock.now(), takeBack: () => {} },
    };
    this.#slots.push(slot);
    slot.channel.then((channel) => {
      slot.open = channel;
      if (!this.#slots.includes(slot)) channel.close();
      else this.#watch(slot, channel);
    }, () => this.#retire(slot));
    return slot;
  }

  /** Looks after a connection, again and again. */
  #watch(slot: Slot<C>, channel: C): void {
    const { clock } = this.#parts;
    slot.takeBack = clock.after(Math.min(this.#keepaliveMs, this.#idleMs), () => {
      const isIdle = slot.calls === 0 && clock.now() - slot.usedAt >= this.#idleMs;
      if (!channel.isOpen) return this.#retire(slot);
      if (isIdle) return this.#drop(slot);
      slot.takeBack = clock.after(this.#keepaliveTimeoutMs, () => this.#drop(slot));
      void channel.ping().then(() => {
        slot.takeBack();
        if (this.#slots.includes(slot)) this.#watch(slot, channel);
      });
    });
  }

  /** Takes no more calls; those there are go on, as after a goodbye of the server. */
  #retire(slot: Slot<C>): void {
    slot.takeBack();
    this.#slots = this.#slots.filter((each) => each !== slot);
  }

  #drop(slot: Slot<C>): void {
    this.#retire(slot);
    slot.open?.close();
  }
}

/** Connects within CLIENT_CONNECT_MS_MAX. Rejects with GrpcError UNAVAILABLE. */
export async function connectInTime(
  place: Http2Place,
  clock: Clock,
): Promise<GrpcChannel> {
  const connecting = GrpcChannel.connect(place);
  let isLate = false;
  const late = Promise.withResolvers<never>();
  const takeBack = clock.after(CLIENT_CONNECT_MS_MAX, () => {
    isLate = true;
    const details = `${place.host}:${place.port}: no connection in ${CLIENT_CONNECT_MS_MAX} ms`;
    late.reject(new GrpcError(Status.UNAVAILABLE, details, []));
  });
  connecting.then((channel) => isLate && channel.close(), () => {});
  try {
    return await Promise.race([connecting, late.promise]);
  } finally {
    takeBack();
  }
}
