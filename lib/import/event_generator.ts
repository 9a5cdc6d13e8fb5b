/**
 * EventGenerator: a made-up load of a web shop as NDJSON bytes, the same bytes for the same options.
 *
 *     {"id":"g1-0000000042","user_id":"u0000007","event_type":"page_view",
 *      "timestamp":1767225600123,"properties":{"page":"/p/12","device":"mobile",
 *      "browser":"chrome","country":"DE","channel":"search","plan":"free"}}         one line, ~210 B
 *
 * - Users follow Zipf's law; a user keeps country and plan.
 * - A visit is a run of about 8 events some 30 s apart, begins with the first type (page_view) and
 *   keeps its device, browser and channel. Many visits run at once: each event continues one of
 *   the `slots`, which gives it the next visitor when its visit is over.
 * - Times never go back. Over whole days they follow the day: four times as many at 15:00 UTC as
 *   at 03:00.
 * - Ids are made of seed and index alone, so that sending a load again adds nothing to a platform
 *   that still knows the ids.
 *
 * It writes bytes and builds no object per event: a benchmark must not measure its own generator.
 */
import { GENERATED_LINE_BYTES_MAX } from "../config/limits.ts";
import { DecimalWriter } from "./decimal_writer.ts";
import { SeededRandom } from "./seeded_random.ts";
import {
  eventTypes,
  PAGES,
  profileMembers,
  PROFILES,
  PROFILES_OF_A_USER,
  PURCHASE,
} from "./shop_model.ts";
import { ZipfSampler } from "./zipf_sampler.ts";

const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;
/** Times below are written with fewer digits, and read as seconds from 100,000,000,000 down. */
const startMsMin = 1_000_000_000_000;
const endMsMax = 9_999_999_999_999;

/** Mean time between two events of a visit, s. */
const visitGapSeconds = 30;
/** Mean number of events of a visit. */
const visitEvents = 8;
const slotsMin = 8;
const slotsMax = 65_536;
/** How far the day's wave swings: the rate goes as 1 / (1 - swing * cos). */
const daySwing = 0.6;
/** The hour of the day with most events, UTC. */
const peakHour = 15;
/** Slots of the table that gives types in their shares: more slots, truer shares. */
const typeSlots = 4_096;

/** What to generate. */
export interface GeneratorOptions {
  /** How many events. */
  readonly events: number;
  /** Whole number from 0; other seeds give other events with other ids. */
  readonly seed: number;
  /** How many users there are, 1 to 9,999,999. */
  readonly users: number;
  /** How many event types, 1 to 1,000. */
  readonly types: number;
  /** Time of the first event at the earliest, ms since the epoch, from 2001 on. */
  readonly startMs: number;
  /** Time before which the last event is, ms since the epoch; equal to startMs: all at one time. */
  readonly endMs: number;
  /** How unequal users are: visits of user k go as 1 / k^exponent. Default 1. */
  readonly zipfExponent?: number;
  /** Gives each event the id of its visit; otherwise sessions come of inactivity. Default false. */
  readonly sessionIds?: boolean;
}

/** What a call of `fill` wrote. */
export interface Filled {
  readonly bytes: number;
  readonly events: number;
}

/** The load, to be taken piece by piece. */
export class EventGenerator {
  readonly options: Readonly<GeneratorOptions>;
  readonly #random: SeededRandom;
  readonly #users: ZipfSampler;
  readonly #pages = new ZipfSampler(PAGES, 1);
  readonly #shape: LineShape;
  /** By slot: user, profile, number of the visit, events left of it. */
  readonly #slotUser: Int32Array;
  readonly #slotProfile: Int32Array;
  readonly #slotVisit: Int32Array;
  readonly #slotLeft: Int32Array;
  readonly #wave: boolean;
  #visits = 0;
  #index = 0;

  /** @throws RangeError naming the option that is out of range */
  constructor(options: GeneratorOptions) {
    checkOptions(options);
    this.options = options;
    const { events, seed, users, startMs, endMs, zipfExponent = 1 } = options;
    this.#random = new SeededRandom(seed);
    this.#users = new ZipfSampler(users, zipfExponent);
    this.#shape = lineShape(options);
    const spanSeconds = (endMs - startMs) / SECOND_MS;
    const perSecond = spanSeconds > 0 ? events / spanSeconds : slotsMax;
    const slots = Math.ceil(Math.min(slotsMax, Math.max(slotsMin, perSecond * visitGapSeconds)));
    this.#slotUser = new Int32Array(slots);
    this.#slotProfile = new Int32Array(slots);
    this.#slotVisit = new Int32Array(slots);
    this.#slotLeft = new Int32Array(slots);
    // Only whole days have a wave: it must end where it began, or times would leave the range.
    this.#wave = endMs > startMs && (endMs - startMs) % DAY_MS === 0;
  }

  /** Events that are yet to come. */
  get remaining(): number {
    return this.options.events - this.#index;
  }

  /**
   * Writes whole lines from the beginning of `target`, as many as fit, at most `eventsMax`. Nothing
   * is written when the load is over.
   *
   * @throws RangeError when `target` is shorter than GENERATED_LINE_BYTES_MAX
   */
  fill(target: Uint8Array, eventsMax: number = Infinity): Filled {
    const roomEnd = target.length - GENERATED_LINE_BYTES_MAX;
    if (roomEnd < 0) throw new RangeError(`fill() needs ${GENERATED_LINE_BYTES_MAX} bytes`);
    const first = this.#index;
    const last = Math.min(this.options.events, first + eventsMax);
    const writer = new DecimalWriter(target);
    while (this.#index < last && writer.at <= roomEnd) this.#write(writer);
    return { bytes: writer.at, events: this.#index - first };
  }

  #write(writer: DecimalWriter): void {
    const random = this.#random;
    const shape = this.#shape;
    const timestampMs = this.#timestampMs();
    const slot = random.below(this.#slotLeft.length);
    const begins = this.#slotLeft[slot] === 0;
    if (begins) this.#beginVisit(slot);
    this.#slotLeft[slot]--;
    const type = begins ? 0 : shape.typeTable[random.nextUint32() % typeSlots];

    writer.copy(shape.idHead);
    writer.padded(this.#index++, 10);
    writer.copy(shape.userHead);
    writer.padded(this.#slotUser[slot], 7);
    writer.copy(shape.typeHeads[type]);
    writer.padded(timestampMs, 13);
    if (shape.sessionHead !== null) {
      writer.copy(shape.sessionHead);
      writer.padded(this.#slotVisit[slot], 7);
      writer.byte(0x22);
    }
    if (type === shape.purchase) {
      writer.copy(shape.amountHead);
      writer.cents(amountCents(random));
    }
    writer.copy(shape.pageHead);
    writer.plain(this.#pages.draw(random));
    writer.copy(shape.profiles[this.#slotProfile[slot]]);
  }

  /** The next event's time, whole ms; never before the one before it. */
  #timestampMs(): number {
    const { events, startMs, endMs } = this.options;
    const place = (this.#index + this.#random.next()) / events;
    let atMs = startMs + place * (endMs - startMs);
    if (this.#wave) {
      const turn = 2 * Math.PI / DAY_MS;
      const peakMs = peakHour * DAY_MS / 24;
      const shift = Math.sin((atMs - peakMs) * turn) - Math.sin((startMs - peakMs) * turn);
      atMs -= daySwing / turn * shift;
    }
    return Math.min(Math.max(Math.floor(atMs), startMs), Math.max(startMs, endMs - 1));
  }

  #beginVisit(slot: number): void {
    const random = this.#random;
    const user = this.#users.draw(random);
    // A user's country and plan follow from the number, with nothing to be remembered.
    const home = Math.imul(user, 0x9e3779b1) >>> 16;
    const homes = PROFILES / PROFILES_OF_A_USER;
    this.#slotUser[slot] = user;
    this.#slotProfile[slot] = home % homes * PROFILES_OF_A_USER +
      random.below(PROFILES_OF_A_USER);
    this.#slotVisit[slot] = ++this.#visits;
    this.#slotLeft[slot] = 1 +
      Math.floor(Math.log1p(-random.next()) / Math.log1p(-1 / visitEvents));
  }
}

/** The bytes that lines are put together from. */
interface LineShape {
  readonly idHead: Uint8Array;
  readonly userHead: Uint8Array;
  readonly typeHeads: readonly Uint8Array[];
  readonly sessionHead: Uint8Array | null;
  readonly amountHead: Uint8Array;
  readonly pageHead: Uint8Array;
  readonly profiles: readonly Uint8Array[];
  /** Index of the purchase type; -1 = there is none. */
  readonly purchase: number;
  /** typeSlots indexes of types, each as often as its share. */
  readonly typeTable: Uint16Array;
}

function lineShape({ seed, types, sessionIds = false }: GeneratorOptions): LineShape {
  const encoder = new TextEncoder();
  const { names, weights } = eventTypes(types);
  return {
    idHead: encoder.encode(`{"id":"g${seed}-`),
    userHead: encoder.encode(`","user_id":"u`),
    typeHeads: names.map((name) => encoder.encode(`","event_type":"${name}","timestamp":`)),
    sessionHead: sessionIds ? encoder.encode(`,"session_id":"s${seed}-`) : null,
    amountHead: encoder.encode(`,"amount":`),
    pageHead: encoder.encode(`,"properties":{"page":"/p/`),
    profiles: Array.from(
      { length: PROFILES },
      (_, profile) => encoder.encode(`",${profileMembers(profile)}}}\n`),
    ),
    purchase: names.indexOf(PURCHASE),
    typeTable: typeTable(weights),
  };
}

/** Each type in as many slots as its weight asks for, every type in one at least. */
function typeTable(weights: readonly number[]): Uint16Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const table = new Uint16Array(typeSlots);
  let at = 0;
  for (let type = weights.length - 1; type > 0; type--) {
    const slots = Math.max(1, Math.round(weights[type] / total * typeSlots));
    table.fill(type, at, at + slots);
    at += slots;
  }
  return table; // the rest stays with type 0
}

/** 1.00 to 999.99, most below 100, in cents. */
function amountCents(random: SeededRandom): number {
  return Math.floor(100 * Math.exp(random.next() * Math.log(999.99)));
}

function checkOptions(options: GeneratorOptions): void {
  const whole = (name: string, value: number, min: number, max: number) => {
    if (Number.isSafeInteger(value) && value >= min && value <= max) return;
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${value}`);
  };
  whole("events", options.events, 0, 9_999_999_999);
  whole("seed", options.seed, 0, Number.MAX_SAFE_INTEGER);
  whole("users", options.users, 1, 9_999_999);
  whole("types", options.types, 1, 1_000);
  whole("startMs", options.startMs, startMsMin, endMsMax);
  whole("endMs", options.endMs, options.startMs, endMsMax);
}
