/**
 * Counts of events by role, outcome and type: plain arrays, so that counting one event is one
 * addition. `events_processed_total` is read from here.
 */
import { METRIC_EVENT_TYPES_MAX } from "../config/limits.ts";
import type { Role } from "../config/variables.ts";
import type { EventTypeLabels } from "./event_type_labels.ts";

/** What became of an event. */
export type EventOutcome = "success" | "rejected" | "duplicate";

/** Label values of one count. */
export interface EventCountLabels {
  readonly service: Role;
  readonly event_type: string;
  readonly status: EventOutcome;
}

/** The `event_type` of refused events: a text that is no event has no type. */
export const UNKNOWN_TYPE = "unknown";

/** Counts per role, outcome and slot of EventTypeLabels. */
export class EventCounts {
  readonly #labels: EventTypeLabels;
  readonly #bySlot = new Map<Role, Map<EventOutcome, Float64Array>>();
  readonly #rejected = new Map<Role, number>();

  constructor(labels: EventTypeLabels) {
    this.#labels = labels;
  }

  /** Counts by slot of EventTypeLabels, to add to: `counts.slots("ingestion", "success")[s] += n`. */
  slots(service: Role, outcome: "success" | "duplicate"): Float64Array {
    let byOutcome = this.#bySlot.get(service);
    if (byOutcome === undefined) this.#bySlot.set(service, byOutcome = new Map());
    let counts = byOutcome.get(outcome);
    if (counts === undefined) {
      byOutcome.set(outcome, counts = new Float64Array(METRIC_EVENT_TYPES_MAX + 1));
    }
    return counts;
  }

  /** Counts events whose type is a string at hand. */
  add(service: Role, outcome: "success" | "duplicate", type: string, count: number): void {
    this.slots(service, outcome)[this.#labels.slotOfName(type)] += count;
  }

  /** Counts refused events. */
  addRejected(service: Role, count: number): void {
    this.#rejected.set(service, (this.#rejected.get(service) ?? 0) + count);
  }

  /** Sum over all types. */
  total(service: Role, outcome: EventOutcome): number {
    if (outcome === "rejected") return this.#rejected.get(service) ?? 0;
    return this.slots(service, outcome).reduce((sum, count) => sum + count, 0);
  }

  /** Calls `each` for every count above 0. */
  forEach(each: (labels: EventCountLabels, count: number) => void): void {
    for (const [service, byOutcome] of this.#bySlot) {
      for (const [status, counts] of byOutcome) {
        counts.forEach((count, slot) => {
          if (count === 0) return;
          each({ service, event_type: this.#labels.names[slot], status }, count);
        });
      }
    }
    for (const [service, count] of this.#rejected) {
      each({ service, event_type: UNKNOWN_TYPE, status: "rejected" }, count);
    }
  }
}
