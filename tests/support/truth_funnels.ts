/**
 * Truth of funnels: how far each user got, found from the events by the definition in
 * docs/ANALYTICS.md. Unlike the platform, this keeps for each event and step every attempt that
 * differs in its beginning, and looks at every event before it.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { FunnelOrder } from "../../lib/query/funnel/plan_funnel.ts";
import {
  answerTo,
  type Asker,
  assertClose,
  comparable,
  rangeBody,
  type TruthCase,
  type TruthRange,
  truthRanges,
} from "./truth_case.ts";
import { eventsIn, TRUTH_TYPES, type TruthEvent } from "./truth_events.ts";
import {
  isOfTypeNamed,
  matchesAll,
  type SentFilter,
  truthFilters,
  valueNamed,
} from "./truth_filters.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** What a missing window means. */
const WINDOW_MS = 14 * DAY_MS;
const MEDIAN_ERROR = 0.01;

/** A step, or an exclusion, as sent. */
interface SentStep {
  readonly event_type?: string;
  readonly filter?: readonly SentFilter[];
  readonly optional?: boolean;
}

interface FunnelQuestion {
  readonly range: TruthRange;
  readonly steps: readonly SentStep[];
  readonly exclusions: readonly SentStep[];
  readonly filter: readonly SentFilter[];
  readonly order: FunnelOrder;
  /** null = missing. */
  readonly windowMs: number | null;
  readonly stepTimeoutMs: number | null;
  readonly breakdown: string | null;
  readonly limit: number;
  /** Of the users: a step counted from 0, and whether they got further. */
  readonly usersOf: number;
  readonly dropped: boolean;
}

const types = fc.constantFrom(...TRUTH_TYPES, "EVENT_TYPE_USER", "view", "view", "cart", "never");

const sentSteps: fc.Arbitrary<SentStep> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ event_type: types }) },
  {
    weight: 2,
    arbitrary: fc.record({
      event_type: types,
      filter: truthFilters.filter((filter) => filter.length > 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ filter: truthFilters.filter((filter) => filter.length > 0) }),
  },
);

const questions: fc.Arbitrary<FunnelQuestion> = fc.record({
  range: truthRanges,
  first: sentSteps,
  between: fc.array(fc.tuple(sentSteps, fc.boolean()), { maxLength: 3 }),
  last: sentSteps,
  exclusions: fc.oneof(fc.constant([]), fc.array(sentSteps, { maxLength: 2 })),
  filter: truthFilters,
  order: fc.constantFrom<FunnelOrder>("sequential", "sequential", "strict", "any"),
  windowMs: fc.constantFrom(null, MINUTE_MS, HOUR_MS, 13 * HOUR_MS, DAY_MS, 3 * DAY_MS),
  stepTimeoutMs: fc.constantFrom(null, null, 1, 40 * MINUTE_MS, DAY_MS),
  breakdown: fc.constantFrom(null, null, "country", "n", "missing", "event_type"),
  limit: fc.constantFrom(2, 3, 10),
  usersOf: fc.nat(),
  dropped: fc.boolean(),
}).map(({ first, between, last, ...question }) => {
  const isAny = question.order === "any";
  const steps = [
    first,
    ...between.map(([step, optional]) => isAny ? step : { ...step, optional }),
    last,
  ];
  return {
    ...question,
    steps,
    stepTimeoutMs: isAny ? null : question.stepTimeoutMs,
    usersOf: question.usersOf % (question.dropped ? steps.length - 1 : steps.length),
  };
});

/** A user's attempt: by step, its event or null. */
type Attempt = readonly (TruthEvent | null)[];

/** Random funnels and their users. */
export const funnelCase: TruthCase<FunnelQuestion> = {
  kind: "funnel",
  questions,
  async hold(question, events, ask) {
    const body = bodyOf(question);
    const answer = await answerTo(ask, { path: "/v1/analytics/funnel", body });
    const attempts = attemptsOf(question, events);
    assertSteps(answer, question, [...attempts.values()]);
    assertBreakdown(answer.breakdown, question, [...attempts.values()]);
    const users = await holdUsers(question, attempts, ask);
    return comparable({ answer, users });
  },
};

function bodyOf(question: FunnelQuestion): Record<string, unknown> {
  const { range, steps, exclusions, filter, order, windowMs, stepTimeoutMs } = question;
  return {
    time_range: rangeBody(range),
    steps,
    exclusions,
    filter,
    order,
    window: windowMs === null ? null : `${windowMs / 1_000}s`,
    step_timeout: stepTimeoutMs === null ? null : `${stepTimeoutMs / 1_000}s`,
    breakdown: question.breakdown,
    breakdown_limit: question.breakdown === null ? null : question.limit,
  };
}

function isOf({ event_type: type, filter = [] }: SentStep, event: TruthEvent): boolean {
  return (type === undefined || isOfTypeNamed(type, event)) && matchesAll(filter, event);
}

/** The attempt that counts, of each user who has one. */
function attemptsOf(question: FunnelQuestion, events: readonly TruthEvent[]): Map<string, Attempt> {
  const { range: { fromMs, toMs }, filter, order } = question;
  const inside = eventsIn(events, fromMs, toMs, (event) => matchesAll(filter, event))
    .sort((a, b) => a.timestampMs - b.timestampMs || a.order - b.order);
  const attempts = new Map<string, Attempt>();
  for (const [user, own] of Map.groupBy(inside, (event) => event.userId)) {
    // Attempts lie between two exclusions; of two that are equal the earlier one ends first.
    const stretches: TruthEvent[][] = [[]];
    for (const event of own) {
      if (question.exclusions.some((each) => isOf(each, event))) stretches.push([]);
      else stretches.at(-1)!.push(event);
    }
    const best = stretches
      .map((stretch) => order === "any" ? anyOrder(question, stretch) : inOrder(question, stretch))
      .filter((attempt) => attempt !== null)
      .reduce<Attempt | null>((best, next) => {
        return best === null || levelOf(next) > levelOf(best) ? next : best;
      }, null);
    if (best !== null) attempts.set(user, best);
  }
  return attempts;
}

/** Attempts that end with one event as one step; by their beginnings, each the best one. */
type Ended = Map<TruthEvent, Attempt>;

function inOrder(question: FunnelQuestion, events: readonly TruthEvent[]): Attempt | null {
  const { steps, order, stepTimeoutMs } = question;
  const windowMs = question.windowMs ?? WINDOW_MS;
  /** By event, then by step. */
  const ended: Ended[][] = [];
  let best: Attempt | null = null;
  events.forEach((event, at) => {
    ended.push(steps.map(() => new Map()));
    steps.forEach((step, number) => {
      if (!isOf(step, event)) return;
      const mine = ended[at][number];
      if (number === 0) mine.set(event, steps.map((_, each) => each === 0 ? event : null));
      // Later events before earlier ones, higher steps before lower ones: the first one found stays.
      for (let before = at - 1; before >= 0; before--) {
        if (order === "strict" && before < at - 1) break;
        if (event.timestampMs - events[before].timestampMs > (stepTimeoutMs ?? Infinity)) break;
        for (let from = number - 1; from >= 0; from--) {
          if (!steps.slice(from + 1, number).every(({ optional }) => optional)) break;
          for (const [first, attempt] of ended[before][from]) {
            if (mine.has(first) || event.timestampMs - first.timestampMs > windowMs) continue;
            mine.set(first, attempt.with(number, event));
          }
        }
      }
    });
    // The one that gets further and ends first; of those the one that begins last.
    for (let number = steps.length - 1; number >= 0; number--) {
      const latest = [...ended[at][number]].sort(([a], [b]) => {
        return events.indexOf(b) - events.indexOf(a);
      })[0];
      if (latest === undefined || (best !== null && levelOf(best) >= number)) continue;
      best = latest[1];
    }
  });
  return best;
}

function anyOrder(question: FunnelQuestion, events: readonly TruthEvent[]): Attempt | null {
  const { steps } = question;
  const windowMs = question.windowMs ?? WINDOW_MS;
  let best: Attempt | null = null;
  events.forEach((last, at) => {
    const inWindow = events.slice(0, at + 1)
      .filter((event) => last.timestampMs - event.timestampMs <= windowMs).reverse();
    const find = (chosen: readonly TruthEvent[], level: number): readonly TruthEvent[] | null => {
      if (chosen.length > level) return chosen;
      for (const event of inWindow) {
        if (chosen.includes(event) || !isOf(steps[chosen.length], event)) continue;
        const found = find([...chosen, event], level);
        if (found !== null) return found;
      }
      return null;
    };
    for (let level = best === null ? 0 : levelOf(best) + 1; level < steps.length; level++) {
      const found = find([], level);
      if (found === null) break;
      best = steps.map((_, step) => found[step] ?? null);
    }
  });
  return best;
}

function levelOf(attempt: Attempt): number {
  return attempt.findLastIndex((event) => event !== null);
}

/** By step: what each user took to convert, ms. */
function timesOf(attempts: readonly Attempt[], steps: number): number[][] {
  const times: number[][] = Array.from({ length: steps }, () => []);
  for (const attempt of attempts) {
    let endMs = attempt[0]!.timestampMs;
    for (let step = 1; step < steps; step++) {
      const event = attempt[step];
      if (event === null) continue;
      times[step].push(Math.max(0, event.timestampMs - endMs));
      endMs = Math.max(endMs, event.timestampMs);
    }
  }
  return times;
}

interface StepJson {
  readonly users: string;
  readonly dropped: string;
  readonly conversion_rate: number;
  readonly conversion_from_previous: number;
  readonly avg_time_to_convert: string | null;
  readonly median_time_to_convert?: string | null;
  readonly optional: boolean;
}

interface SegmentJson {
  readonly kind: string;
  readonly value: string;
  readonly steps: readonly StepJson[];
  readonly overall_conversion_rate: number;
}

/** Of an answer or of one value of a breakdown. */
function assertSteps(
  answer: { readonly steps: readonly StepJson[]; readonly overall_conversion_rate: number },
  { steps }: FunnelQuestion,
  attempts: readonly Attempt[],
): void {
  const times = timesOf(attempts, steps.length);
  const users = steps.map((_, step) => attempts.filter((each) => each[step] !== null).length);
  const rate = (part: number, whole: number) => whole === 0 ? 0 : part / whole;
  assert.equal(answer.steps.length, steps.length);
  answer.steps.forEach((json, step) => {
    let before = Math.max(0, step - 1);
    while (steps[before].optional) before--;
    const ended = attempts.filter((each) => levelOf(each) === step).length;
    assert.equal(json.users, String(users[step]), `users of step ${step}`);
    assert.equal(json.dropped, String(step === steps.length - 1 ? 0 : ended));
    assert.equal(json.optional, steps[step].optional ?? false);
    assertClose(json.conversion_rate, rate(users[step], users[0]), "rate");
    assertClose(json.conversion_from_previous, rate(users[step], users[before]), "from previous");
    assertTimes(json, times[step].sort((a, b) => a - b));
  });
  const overall = rate(users.at(-1)!, users[0]);
  assertClose(answer.overall_conversion_rate, overall, "overall rate");
}

function assertTimes(json: StepJson, times: readonly number[]): void {
  const { avg_time_to_convert: avg, median_time_to_convert: median } = json;
  const msOf = (text: string) => 1_000 * Number(text.slice(0, -1));
  if (times.length === 0) {
    assert.deepEqual([avg, median ?? null], [null, null]);
    return;
  }
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  assert.ok(Math.abs(msOf(avg!) - mean) <= 0.5 + 1e-6, `mean ${avg}, not ${mean} ms`);
  if (median === undefined) return;
  const exact = times[Math.floor(0.5 * (times.length - 1))];
  const allowed = MEDIAN_ERROR * exact * (1 + 1e-9) + 0.5 + 1e-6;
  assert.ok(Math.abs(msOf(median!) - exact) <= allowed, `median ${median}, not ${exact} ms`);
}

function assertBreakdown(
  segments: readonly SegmentJson[],
  question: FunnelQuestion,
  attempts: readonly Attempt[],
): void {
  const { breakdown, limit } = question;
  if (breakdown === null) {
    assert.deepEqual(segments, []);
    return;
  }
  const byValue = Map.groupBy(attempts, ([first]) => {
    const value = valueNamed(breakdown, first!);
    return value === undefined ? null : String(value);
  });
  const none = byValue.get(null);
  byValue.delete(null);
  const ranked = ([...byValue] as [string, Attempt[]][])
    .sort(([a, left], [b, right]) => right.length - left.length || (a < b ? -1 : 1));
  const expected: [kind: string, value: string, attempts: Attempt[]][] = [
    ...ranked.slice(0, limit).map(([value, own]) =>
      ["value", value, own] as [string, string, Attempt[]]
    ),
  ];
  const others = ranked.slice(limit).flatMap(([, own]) => own);
  if (others.length > 0) expected.push(["other", "(other)", others]);
  if (none !== undefined) expected.push(["none", "(none)", none]);
  assert.deepEqual(
    segments.map(({ kind, value }) => [kind, value]),
    expected.map(([kind, value]) => [kind, value]),
  );
  segments.forEach((segment, i) => assertSteps(segment, question, expected[i][2]));
}

/** Reads all pages of the users of a step; gives them in their order. */
async function holdUsers(
  question: FunnelQuestion,
  attempts: ReadonlyMap<string, Attempt>,
  ask: Asker,
): Promise<unknown[]> {
  const { usersOf: step, dropped, limit } = question;
  // deno-lint-ignore no-explicit-any -- JSON, compared below
  const users: any[] = [];
  for (let token = "", pages = 0; pages === 0 || token !== ""; pages++) {
    const body = {
      ...bodyOf(question),
      step: step + 1,
      outcome: dropped ? "dropped" : "converted",
      limit,
      page_token: token,
    };
    const page = await answerTo(ask, { path: "/v1/analytics/funnel/users", body });
    assert.ok(page.users.length <= limit);
    users.push(...page.users);
    token = page.next_page_token;
  }
  const expected = [...attempts]
    .filter(([, attempt]) => dropped ? levelOf(attempt) === step : attempt[step] !== null)
    .map(([user, attempt]) => {
      const times = attempt.filter((event) => event !== null).map((event) => event.timestampMs);
      return {
        user_id: user,
        first_step_at: new Date(Math.min(...times)).toISOString().replace(".000Z", "Z"),
        last_step_at: new Date(Math.max(...times)).toISOString().replace(".000Z", "Z"),
        last_step: levelOf(attempt) + 1,
      };
    });
  const byId = (list: readonly { readonly user_id: string }[]) =>
    [...list].sort((a, b) => a.user_id < b.user_id ? -1 : 1);
  assert.deepEqual(byId(users), byId(expected));
  return users;
}
