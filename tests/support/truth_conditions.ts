/** The members of a body that say which events are meant, and whether an event is one of those. */
import fc from "fast-check";
import { TRUTH_TYPES, type TruthEvent } from "./truth_events.ts";
import { isOfTypeNamed, matchesAll, type SentFilter, truthFilters } from "./truth_filters.ts";

export interface TruthConditions {
  readonly event_types: readonly string[];
  readonly filter: readonly SentFilter[];
}

const typeLists = fc.oneof(
  { weight: 2, arbitrary: fc.constant([] as string[]) },
  {
    weight: 3,
    arbitrary: fc.uniqueArray(fc.constantFrom(...TRUTH_TYPES, "never", "EVENT_TYPE_USER"), {
      minLength: 1,
      maxLength: 3,
    }),
  },
);

export const truthConditions: fc.Arbitrary<TruthConditions> = fc.record({
  event_types: typeLists,
  filter: truthFilters,
});

/** Conditions that all events meet. */
export const NO_CONDITIONS: TruthConditions = { event_types: [], filter: [] };

/** Whether the event meets all of the conditions. */
export function meets({ event_types: types, filter }: TruthConditions, event: TruthEvent): boolean {
  const ofType = types.length === 0 || types.some((type) => isOfTypeNamed(type, event));
  return ofType && matchesAll(filter, event);
}
