/**
 * What live streams want to know, as it is told to the shards: each definition once, however many
 * readers share it. What is asked for any window over the same events is one definition.
 */
import type { Filter, Subject } from "../query/filter/filter.ts";

export interface LiveDefinition {
  /** Tells it from all others of this process. */
  readonly id: number;
  readonly project: string;
  /** Which events; null = all of the project. */
  readonly filter: Filter | null;
  readonly want: LiveWant;
}

/** What is made of the events that match. */
export type LiveWant =
  /** By the second: how many of each type, and their users. */
  | {
    readonly kind: "counts";
    /** The most frequent values of this too; null = of nothing. */
    readonly top: Subject | null;
    /**
     * Also what was applied before it started and is not published yet, so that what was published
     * by then, which LiveWindow has, can be put before it. Only without a filter, or by types alone.
     */
    readonly seed: boolean;
  }
  /** The events themselves. */
  | {
    readonly kind: "tail";
    /** Share of the events, by their ids; above 0, up to 1. */
    readonly sample: number;
    /** More events of one second than this are dropped. */
    readonly perSecondMax: number;
  };

/** A definition as a shard is told of it. */
export interface LiveOrder {
  readonly definition: LiveDefinition;
  /** Second since the epoch from whose beginning on events count. */
  readonly startSecond: number;
  /**
   * By partition: events before this offset are counted already, by a shard that was replaced. A
   * partition that is not named has told nothing yet.
   */
  readonly countedTo: readonly (readonly [partition: number, offset: number])[];
}
