/**
 * What the scanner finds in one event: its verdicts, and the places of the known fields.
 */

/** Not JSON, or not UTF-8. `end` is the place of the fault. */
export const SCAN_INVALID = 0;
/** JSON, but only the slow path can tell whether and how it is an event. */
export const SCAN_SLOW = 1;
/** A valid event that lacks nothing: its bytes, from `start` to `end`, may go into the log. */
export const SCAN_COMPLETE = 2;
/** Complete but for `id` (idStart -1), `timestamp` (timestampMs NaN) or both: see insertDefaults. */
export const SCAN_DEFAULTS = 3;

/**
 * One scanned event. Made once and filled again for each event.
 *
 * Positions are indexes into the scanned bytes, `...End` exclusive, -1 where the field is absent.
 * Those of strings leave the quotes out, and the bytes between hold no escapes; those of
 * `properties` have the braces in. After SCAN_INVALID and SCAN_SLOW only `end` (and for SLOW
 * `start`) means anything.
 */
export class EventScan {
  /** Where the value begins, white space left behind. */
  start = -1;
  /** After the value. */
  end = -1;
  idStart = -1;
  idEnd = -1;
  userStart = -1;
  userEnd = -1;
  typeStart = -1;
  typeEnd = -1;
  sessionStart = -1;
  sessionEnd = -1;
  sourceStart = -1;
  sourceEnd = -1;
  propertiesStart = -1;
  propertiesEnd = -1;
  /** CATEGORY_*, 1 to 4. */
  category = 0;
  /** Whole ms since the epoch; NaN = absent. A NaN first, so that V8 keeps the field a double. */
  timestampMs = NaN;
  /** 0 or more; NaN = none. */
  amount = NaN;

  /** Forgets the last event. */
  reset(): void {
    this.start = -1;
    this.end = -1;
    this.idStart = -1;
    this.idEnd = -1;
    this.userStart = -1;
    this.userEnd = -1;
    this.typeStart = -1;
    this.typeEnd = -1;
    this.sessionStart = -1;
    this.sessionEnd = -1;
    this.sourceStart = -1;
    this.sourceEnd = -1;
    this.propertiesStart = -1;
    this.propertiesEnd = -1;
    this.category = 0;
    this.timestampMs = NaN;
    this.amount = NaN;
  }
}
