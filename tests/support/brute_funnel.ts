/**
 * The definition of a funnel (lib/query/funnel/funnel_walk.ts) word for word: all attempts are
 * written down, and the best one is picked. Exponential, for small sets of events; and random sets of
 * events and funnels in which steps, ties, windows and exclusions meet often.
 */
import fc from "fast-check";
import type { FunnelOrder } from "../../lib/query/funnel/plan_funnel.ts";

/** One event of one user. */
export interface BruteEvent {
  readonly timestampMs: number;
  /** Steps that it matches. */
  readonly steps: readonly number[];
  /** Whether it matches an exclusion. */
  readonly excluded: boolean;
}

/** A funnel as far as attempts go. */
export interface BruteFunnel {
  readonly order: FunnelOrder;
  readonly windowMs: number;
  readonly stepTimeoutMs: number;
  /** By step: whether it is optional. */
  readonly optional: readonly boolean[];
}

/** By step: the place of its event, or -1. */
type Attempt = readonly number[];

/** The attempt that counts; null = not even the first step. Events are in their order. */
export function bruteAttempt(funnel: BruteFunnel, events: readonly BruteEvent[]): Attempt | null {
  let best: Attempt | null = null;
  for (const attempt of attemptsOf(funnel, events)) {
    if (!isValid(funnel, events, attempt)) continue;
    if (best === null || isBetter(funnel.order, attempt, best)) best = attempt;
  }
  return best;
}

/** The last step of an attempt. */
export function levelOf(attempt: Attempt): number {
  return attempt.findLastIndex((place) => place >= 0);
}

/** All choices of different events for the steps from the first one on, or for none of the optional. */
function* attemptsOf(
  funnel: BruteFunnel,
  events: readonly BruteEvent[],
  chosen: readonly number[] = [],
): Generator<Attempt> {
  const { optional } = funnel;
  const step = chosen.length;
  const isEnd = chosen.length > 0 && chosen.at(-1)! >= 0;
  if (isEnd) yield optional.map((_, each) => chosen[each] ?? -1);
  if (step === optional.length) return;
  if (optional[step]) yield* attemptsOf(funnel, events, [...chosen, -1]);
  const newest = Math.max(-1, ...chosen);
  for (let place = 0; place < events.length; place++) {
    const { steps, excluded } = events[place];
    if (excluded || !steps.includes(step) || chosen.includes(place)) continue;
    if (funnel.order !== "any" && place < newest) continue;
    yield* attemptsOf(funnel, events, [...chosen, place]);
  }
}

function isValid(funnel: BruteFunnel, events: readonly BruteEvent[], attempt: Attempt): boolean {
  const places = attempt.filter((place) => place >= 0).sort((a, b) => a - b);
  const [first, last] = [places[0], places.at(-1)!];
  if (events[last].timestampMs - events[first].timestampMs > funnel.windowMs) return false;
  if (events.slice(first, last).some(({ excluded }) => excluded)) return false;
  return places.slice(1).every((place, i) => {
    const before = places[i];
    if (funnel.order === "strict" && place !== before + 1) return false;
    return events[place].timestampMs - events[before].timestampMs <= funnel.stepTimeoutMs;
  });
}

function isBetter(order: FunnelOrder, a: Attempt, b: Attempt): boolean {
  if (levelOf(a) !== levelOf(b)) return levelOf(a) > levelOf(b);
  const [endA, endB] = [Math.max(...a), Math.max(...b)];
  if (endA !== endB) return endA < endB;
  if (order === "any") {
    const step = a.findIndex((place, each) => place !== b[each]);
    return step >= 0 && a[step] > b[step];
  }
  if (a[0] !== b[0]) return a[0] > b[0];
  const backwards = (attempt: Attempt) => {
    return attempt.map((place, step) => ({ place, step })).filter(({ place }) => place >= 0)
      .reverse();
  };
  const [chainA, chainB] = [backwards(a), backwards(b)];
  for (let i = 0; i < Math.min(chainA.length, chainB.length); i++) {
    if (chainA[i].place !== chainB[i].place) return chainA[i].place > chainB[i].place;
    if (chainA[i].step !== chainB[i].step) return chainA[i].step > chainB[i].step;
  }
  return false;
}

/** Random funnels of 2 to 5 steps. */
export const bruteFunnels: fc.Arbitrary<BruteFunnel> = fc
  .record({
    order: fc.constantFrom<FunnelOrder>("sequential", "strict", "any"),
    windowMs: fc.constantFrom(1, 2, 4, 8, 1_000),
    stepTimeoutMs: fc.constantFrom(1, 2, 4, Infinity, Infinity),
    between: fc.array(fc.boolean(), { maxLength: 3 }),
  })
  .map(({ between, ...funnel }) => {
    const isAny = funnel.order === "any";
    return {
      ...funnel,
      stepTimeoutMs: isAny ? Infinity : funnel.stepTimeoutMs,
      optional: [false, ...between.map((optional) => optional && !isAny), false],
    };
  });

/** Events of one user in order of time, for a funnel of `steps` steps: many ties, few exclusions. */
export function bruteEvents(steps: number, maxLength = 9): fc.Arbitrary<BruteEvent[]> {
  const step = fc.nat({ max: steps - 1 });
  return fc.array(
    fc.record({
      timestampMs: fc.nat({ max: 12 }),
      steps: fc.oneof(
        { weight: 6, arbitrary: fc.tuple(step) },
        { weight: 2, arbitrary: fc.uniqueArray(step, { minLength: 2, maxLength: 3 }) },
        { weight: 1, arbitrary: fc.constant([]) },
      ),
      excluded: fc.oneof(
        { weight: 12, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
    }),
    { maxLength },
  ).map((events) => events.sort((a, b) => a.timestampMs - b.timestampMs));
}
