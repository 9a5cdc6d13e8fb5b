/**
 * What a shard keeps of one definition of live streams between two of its frames: counts that add
 * up until they are told, or sampled events that wait.
 */
import {
  LIVE_STREAM_TYPES_MAX,
  LIVE_TAIL_BYTES_MAX,
  LIVE_TOP_COUNTERS,
  LIVE_TOP_VALUE_CHARS_MAX,
} from "../config/limits.ts";
import { encodeUtf8 } from "../event/text_coding.ts";
import type { AppliedEvent } from "../process/record_tap.ts";
import type { SeriesEntry } from "../process/series_table.ts";
import type { Subject } from "../query/filter/filter.ts";
import { textView, valueOf } from "../query/filter/match_filter.ts";
import { OTHER_TYPES } from "../query/summary.ts";
import { hash64 } from "../sketch/hash64.ts";
import { HyperLogLog } from "../sketch/hyperloglog.ts";
import { TopValues } from "../sketch/top_values.ts";
import type { AppliedEventView } from "./applied_event_view.ts";
import type { LiveDefinition, LiveOrder } from "./live_definition.ts";
import type { PulseCounts, PulseTop } from "./pulse_frames.ts";
import { tailEventText } from "./tail_event.ts";

/** Told apart from the hash by which duplicates are known. */
const SAMPLE_SEED = 0x2c1b3c6d;
const WORD_VALUES = 0x1_0000_0000;

/** A definition in the hands of a shard. */
abstract class Job {
  /** Whether its first second has come. */
  hasBegun = false;
  /** Frames that say how it began and are to be passed on. */
  readonly starting: Uint8Array[] = [];
  readonly #countedTo = new Map<number, number>();

  constructor(readonly order: LiveOrder) {
    this.passOver(order.countedTo);
  }

  get definition(): LiveDefinition {
    return this.order.definition;
  }

  /** Events of a partition before this offset are counted. */
  countedTo(partition: number): number {
    return this.#countedTo.get(partition) ?? 0;
  }

  /** Learns what other shards have counted. */
  passOver(places: LiveOrder["countedTo"]): void {
    for (const [partition, offset] of places) {
      this.#countedTo.set(partition, Math.max(offset, this.countedTo(partition)));
    }
  }
}

export class CountsJob extends Job {
  readonly kind = "counts";
  /** Its second is over. */
  isDue = false;
  events = 0;
  readonly #subject: Subject | null;
  #types = new Map<SeriesEntry | null, number>();
  #users = new HyperLogLog();
  #top: PulseTop | null = null;

  constructor(order: LiveOrder) {
    super(order);
    const { want } = order.definition;
    this.#subject = want.kind === "counts" ? want.top : null;
    this.startAnew();
  }

  take(event: AppliedEvent, view: AppliedEventView): void {
    const types = this.#types;
    const isKept = types.has(event.series) || types.size < LIVE_STREAM_TYPES_MAX;
    const key = isKept ? event.series : null;
    types.set(key, (types.get(key) ?? 0) + 1);
    this.events++;
    this.#users.add(event.userLo, event.userHi);
    if (this.#top !== null) this.#takeTop(this.#top, view);
  }

  /** All that was counted since startAnew(). */
  counts(second: number, places: PulseCounts["places"]): PulseCounts {
    const byType = new Map<string, number>();
    for (const [series, events] of this.#types) {
      const type = series?.type ?? OTHER_TYPES;
      byType.set(type, (byType.get(type) ?? 0) + events);
    }
    const types = [...byType];
    return {
      definition: this.definition.id,
      second,
      places,
      types,
      users: this.#users,
      top: this.#top,
    };
  }

  /** It was told: counts from nothing. */
  startAnew(): void {
    this.events = 0;
    this.#types = new Map();
    this.#users = new HyperLogLog();
    if (this.#subject !== null) {
      this.#top = { values: new TopValues(LIVE_TOP_COUNTERS), without: 0, cut: 0 };
    }
  }

  #takeTop(top: PulseTop, view: AppliedEventView): void {
    const text = textView(valueOf(this.#subject!, view));
    if (text === null) top.without++;
    else if (text.length <= LIVE_TOP_VALUE_CHARS_MAX) top.values.add(text);
    else {
      top.cut++;
      // Half of a surrogate pair at the cut would be no text.
      top.values.add(text.slice(0, LIVE_TOP_VALUE_CHARS_MAX).replace(/[\uD800-\uDBFF]$/, ""));
    }
  }
}

export class TailJob extends Job {
  readonly kind = "tail";
  readonly #sample: number;
  readonly #perSecondMax: number;
  readonly #hash = new Uint32Array(2);
  #inSecond = 0;
  #bytes = 0;
  #sampled = 0;
  #dropped = 0;
  #events: Uint8Array[] = [];

  constructor(order: LiveOrder) {
    super(order);
    const { want } = order.definition;
    this.#sample = want.kind === "tail" ? want.sample : 0;
    this.#perSecondMax = want.kind === "tail" ? want.perSecondMax : 0;
  }

  /** Another second: as many events again may pass. */
  startSecond(): void {
    this.#inSecond = 0;
  }

  take(event: AppliedEvent, view: AppliedEventView): void {
    const { bytes, scan } = event;
    if (this.#sample < 1) {
      hash64(bytes, scan.idStart, scan.idEnd, SAMPLE_SEED, this.#hash);
      if (this.#hash[1] / WORD_VALUES >= this.#sample) return;
    }
    this.#sampled++;
    if (this.#inSecond >= this.#perSecondMax) {
      this.#dropped++;
      return;
    }
    const text = encodeUtf8(tailEventText(view));
    // One that is longer than all the room goes alone.
    if (this.#bytes > 0 && this.#bytes + text.length > LIVE_TAIL_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    this.#inSecond++;
    this.#bytes += text.length;
    this.#events.push(text);
  }

  /** Whether so much waits that it is better told before its time. */
  get isPressing(): boolean {
    return this.#bytes > LIVE_TAIL_BYTES_MAX / 2;
  }

  /** What waits; null = nothing. */
  tail() {
    if (this.#sampled === 0) return null;
    return {
      definition: this.definition.id,
      sampled: this.#sampled,
      dropped: this.#dropped,
      events: this.#events,
    };
  }

  startAnew(): void {
    this.#bytes = 0;
    this.#sampled = 0;
    this.#dropped = 0;
    this.#events = [];
  }
}

export type PulseJob = CountsJob | TailJob;
