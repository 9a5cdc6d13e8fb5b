/**
 * What the slow path is given besides the bytes, and what it answers.
 */
import type { CanonicalEvent, Rejection } from "./event.ts";

/** What a pure function cannot know by itself. */
export interface SlowContext {
  /** When the platform took the event in, ms since the epoch. */
  readonly receivedAtMs: number;
  /** Makes the id of an event that has none; called at most once per event, for valid ones only. */
  readonly makeId: () => string;
}

/** A refused event. */
export interface Refusal {
  readonly ok: false;
  readonly rejection: Rejection;
}

/** An event, or why it is refused. */
export type SlowVerdict = { readonly ok: true; readonly event: CanonicalEvent } | Refusal;
