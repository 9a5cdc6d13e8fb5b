/**
 * Retention and stickiness by the plainest means, as oracles: every figure is counted from the
 * events by its definition, with local dates by Temporal and without a bit mask anywhere.
 */

export type Width = "day" | "week" | "month";

/** An event as these questions see it. */
export interface BruteEvent {
  readonly userId: string;
  readonly timestampMs: number;
  readonly isStart: boolean;
  readonly isReturn: boolean;
}

/** What is asked; the range is not empty. */
export interface BruteRetention {
  readonly width: Width;
  readonly timeZone: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly mode: "exact" | "rolling";
  readonly cohort: "first_in_range" | "first_ever";
}

/** The first date of the period that an instant lies in, such as "2026-03-02". */
export function periodDate(instantMs: number, width: Width, timeZone: string): string {
  const date = Temporal.Instant.fromEpochMilliseconds(instantMs).toZonedDateTimeISO(timeZone)
    .toPlainDate();
  if (width === "day") return date.toString();
  if (width === "month") return date.with({ day: 1 }).toString();
  return date.subtract({ days: date.dayOfWeek - 1 }).toString();
}

/** The first dates of all periods that [fromMs, toMs) meets, in order. */
export function periodDates(
  { width, timeZone, fromMs, toMs }: Omit<BruteRetention, "mode" | "cohort">,
): string[] {
  const dates: string[] = [];
  const last = periodDate(toMs - 1, width, timeZone);
  for (let date = Temporal.PlainDate.from(periodDate(fromMs, width, timeZone));;) {
    dates.push(date.toString());
    if (date.toString() === last) return dates;
    date = date.add({ [`${width}s`]: 1 });
  }
}

/** When a period begins. */
export function startOfPeriod(date: string, timeZone: string): number {
  return Temporal.PlainDate.from(date).toZonedDateTime(timeZone).epochMilliseconds;
}

/** The users of each cohort, and of those the ones of each cell, by period dates. */
export function bruteRetention(events: readonly BruteEvent[], asked: BruteRetention) {
  const dates = periodDates(asked);
  const dateOf = ({ timestampMs }: BruteEvent) =>
    periodDate(timestampMs, asked.width, asked.timeZone);
  const inRange = (event: BruteEvent) => dates.includes(dateOf(event));
  const users = [...new Set(events.map((event) => event.userId))];
  const facts = users.map((userId) => {
    const own = events.filter((event) => event.userId === userId);
    const starts = own.filter((event) => event.isStart)
      .filter((event) => asked.cohort === "first_ever" || inRange(event));
    const firstMs = Math.min(...starts.map((event) => event.timestampMs));
    const first = starts.find((event) => event.timestampMs === firstMs);
    const returns = own.filter((event) =>
      event.isReturn && inRange(event) && event.timestampMs >= firstMs
    );
    return { cohort: first && dateOf(first), active: new Set(returns.map(dateOf)) };
  });
  return dates.map((date, c) => {
    const members = facts.filter(({ cohort }) => cohort === date);
    const cells = dates.slice(c).map((_, k) => {
      const wanted = asked.mode === "exact" ? [dates[c + k]] : dates.slice(c + k);
      return members.filter(({ active }) => wanted.some((each) => active.has(each))).length;
    });
    return { date, size: members.length, cells };
  });
}

/** Users of each period by the number of days on which they were active. */
export function bruteStickiness(
  events: readonly Pick<BruteEvent, "userId" | "timestampMs">[],
  asked: Omit<BruteRetention, "mode" | "cohort">,
) {
  const { width, timeZone } = asked;
  return periodDates(asked).map((date) => {
    const next = Temporal.PlainDate.from(date).add({ [`${width}s`]: 1 });
    const days = Temporal.PlainDate.from(date).until(next, { largestUnit: "day" }).days;
    const inside = events.filter((event) =>
      periodDate(event.timestampMs, width, timeZone) === date
    );
    const active = [...Map.groupBy(inside, (event) => event.userId).values()].map((own) =>
      new Set(own.map((event) => periodDate(event.timestampMs, "day", timeZone))).size
    );
    const usersByDays = Array.from(
      { length: days },
      (_, i) => active.filter((each) => each === i + 1).length,
    );
    return { date, days, usersByDays };
  });
}

/** Distinct users of the last `days` days that were over at `untilMs`. */
export function bruteActive(
  events: readonly Pick<BruteEvent, "userId" | "timestampMs">[],
  { timeZone, untilMs, days }: { timeZone: string; untilMs: number; days: number },
): number {
  const today = Temporal.PlainDate.from(periodDate(untilMs, "day", timeZone));
  const isIn = (timestampMs: number) => {
    const date = Temporal.PlainDate.from(periodDate(timestampMs, "day", timeZone));
    const ago = date.until(today, { largestUnit: "day" }).days;
    return ago >= 1 && ago <= days;
  };
  const users = events.filter((event) => isIn(event.timestampMs)).map((event) => event.userId);
  return new Set(users).size;
}

/** Zones of whole hours, of half hours, with changes of clocks by an hour and by half of one. */
export const AWKWARD_ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
] as const;
