/**
 * An event that is being applied, as filters see it. Texts are made and properties are looked for
 * only when a filter asks for them.
 */
import type { PropertyValue } from "../event/event.ts";
import { decodeUtf8 } from "../event/text_coding.ts";
import { findProperty, quotedName } from "./find_property.ts";
import type { AppliedEvent } from "../process/record_tap.ts";
import type { EventView } from "../query/filter/match_filter.ts";

/** More names than this are not remembered. */
const NAMES_MAX = 1_000;
const NO_PROPERTIES: Readonly<Record<string, PropertyValue>> = Object.freeze({});

/** Made once, and pointed at one event after the other. */
export class AppliedEventView implements EventView {
  #event!: AppliedEvent;
  /** Names of properties as they stand in the bytes. */
  readonly #names = new Map<string, Uint8Array | null>();
  #properties: Readonly<Record<string, PropertyValue>> | null = null;

  /** Looks at this event from now on. */
  look(event: AppliedEvent): void {
    this.#event = event;
    this.#properties = null;
  }

  get id(): string {
    const { idStart, idEnd } = this.#event.scan;
    return this.#text(idStart, idEnd);
  }

  get userId(): string {
    const { userStart, userEnd } = this.#event.scan;
    return this.#text(userStart, userEnd);
  }

  get sessionId(): string {
    const { scan, sessionLo, sessionHi } = this.#event;
    if (scan.sessionStart >= 0) return this.#text(scan.sessionStart, scan.sessionEnd);
    return hex8(sessionHi) + hex8(sessionLo);
  }

  get type(): string {
    return this.#event.series.type;
  }

  get category(): number {
    return this.#event.scan.category;
  }

  get timestampMs(): number {
    return this.#event.scan.timestampMs;
  }

  get receivedAtMs(): number {
    return this.#event.receivedAtMs;
  }

  get source(): string | null {
    const { sourceStart, sourceEnd } = this.#event.scan;
    return sourceStart < 0 ? null : this.#text(sourceStart, sourceEnd);
  }

  get amount(): number | null {
    const { amount } = this.#event.scan;
    return Number.isNaN(amount) ? null : amount;
  }

  propertyOf(key: string): PropertyValue | null {
    let name = this.#names.get(key);
    if (name === undefined) {
      // Keys are those of definitions: forgotten now and then, lest old ones stay for ever.
      if (this.#names.size >= NAMES_MAX) this.#names.clear();
      this.#names.set(key, name = quotedName(key));
    }
    const { scan, bytes } = this.#event;
    if (scan.propertiesStart < 0) return null;
    if (name !== null) return findProperty(bytes, scan.propertiesStart, scan.propertiesEnd, name);
    const { properties } = this;
    return Object.hasOwn(properties, key) ? properties[key] : null;
  }

  get properties(): Readonly<Record<string, PropertyValue>> {
    const { propertiesStart, propertiesEnd } = this.#event.scan;
    if (propertiesStart < 0) return NO_PROPERTIES;
    return this.#properties ??= JSON.parse(this.#text(propertiesStart, propertiesEnd));
  }

  #text(start: number, end: number): string {
    return decodeUtf8(this.#event.bytes.subarray(start, end));
  }
}

/** A word of a derived session's hash, as answers write it. */
function hex8(word: number): string {
  return word.toString(16).padStart(8, "0");
}
