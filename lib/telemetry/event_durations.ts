/**
 * `event_processing_duration_seconds`: how long events take, by role and type, counted in plain
 * arrays and shown to prom-client as a histogram. Observing by prom-client itself, which builds a
 * key text from the labels each time, took a tenth of the work of a single-event request.
 *
 *     counts   [ type slot ][ bucket ]    the last bucket is +Inf; not cumulative
 *     sums     [ type slot ]              seconds
 */
import { Histogram, type Registry } from "prom-client";
import { METRIC_EVENT_TYPES_MAX } from "../config/limits.ts";
import type { Role } from "../config/variables.ts";
import type { EventTypeLabels } from "./event_type_labels.ts";

/** `event_type` of a measurement that is of a whole batch and not of one event. */
export const BATCH_TYPE = "batch";

/** Slot of BATCH_TYPE, behind those of EventTypeLabels. */
export const BATCH_SLOT = METRIC_EVENT_TYPES_MAX + 1;

const SLOTS = BATCH_SLOT + 1;
const NAME = "event_processing_duration_seconds";

type Snapshot = Awaited<ReturnType<Histogram<"service" | "event_type">["get"]>>;

interface RoleDurations {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
}

/**
 * The histogram. A registry reads it by `name` and `get()`, which is all that prom-client asks of a
 * metric that has no getForPromString().
 */
export class EventDurations {
  readonly name = NAME;
  /** What observe() is told, and the frame that values are given in. */
  readonly #rest: Histogram<"service" | "event_type">;
  readonly #labels: EventTypeLabels;
  readonly #bounds: readonly number[];
  readonly #byRole = new Map<Role, RoleDurations>();

  /** @param bounds upper bounds of the buckets, seconds, rising, without +Inf */
  constructor(labels: EventTypeLabels, bounds: readonly number[]) {
    this.#rest = new Histogram({
      name: NAME,
      help: `Time to take in or process an event; event_type "${BATCH_TYPE}" is one whole batch`,
      labelNames: ["service", "event_type"],
      buckets: [...bounds],
      registers: [],
    });
    this.#labels = labels;
    this.#bounds = bounds;
  }

  /** Adds this metric to a registry. */
  registerIn(registry: Registry): void {
    registry.registerMetric(this as unknown as Histogram);
  }

  /** Counts one measurement with a label of its own; not for hot paths. */
  observe(labels: { service: Role; event_type: string }, seconds: number): void {
    this.#rest.observe(labels, seconds);
  }

  /** Counts one measurement; `slot` of EventTypeLabels, or BATCH_SLOT. */
  observeSlot(service: Role, slot: number, seconds: number): void {
    const durations = this.#byRole.get(service) ?? this.#addRole(service);
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > bounds[bucket]) bucket++;
    durations.counts[slot * (bounds.length + 1) + bucket]++;
    durations.sums[slot] += seconds;
  }

  /**
   * What prom-client asks for: the cumulative buckets, sum and count of every slot in use, and of
   * what observe() was told.
   */
  async get(): Promise<Snapshot> {
    const snapshot = await this.#rest.get();
    const values = [...snapshot.values];
    for (const [service, durations] of this.#byRole) {
      for (let slot = 0; slot < SLOTS; slot++) this.#addValues(service, durations, slot, values);
    }
    return { ...snapshot, values };
  }

  #addRole(service: Role): RoleDurations {
    const durations = {
      counts: new Float64Array(SLOTS * (this.#bounds.length + 1)),
      sums: new Float64Array(SLOTS),
    };
    this.#byRole.set(service, durations);
    return durations;
  }

  #addValues(
    service: Role,
    { counts, sums }: RoleDurations,
    slot: number,
    values: Snapshot["values"],
  ): void {
    const bounds = this.#bounds;
    const first = slot * (bounds.length + 1);
    let total = 0;
    for (let i = 0; i <= bounds.length; i++) total += counts[first + i];
    if (total === 0) return;
    const labels = {
      service,
      event_type: slot === BATCH_SLOT ? BATCH_TYPE : this.#labels.names[slot],
    };
    // Literals with `le` in place would be refused: the declared labels of a histogram lack it.
    const bucket = (le: string | number, value: number) =>
      values.push({ metricName: `${NAME}_bucket`, value, labels: { ...{ le }, ...labels } });
    let below = 0;
    for (let i = 0; i < bounds.length; i++) {
      below += counts[first + i];
      bucket(bounds[i], below);
    }
    bucket("+Inf", total);
    values.push(
      { metricName: `${NAME}_sum`, value: sums[slot], labels },
      { metricName: `${NAME}_count`, value: total, labels },
    );
  }
}
