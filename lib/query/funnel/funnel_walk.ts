/**
 * How far one user gets in a funnel. The definition, of which the walks are the code: in_order_walks.ts
 * where steps come in order, any_order_walk.ts where they need not.
 *
 * Events of the user are in order of time, those of equal times in order of the log. An *attempt* is
 * a choice of events for steps, one for each, none for two, in which
 *   - each event matches its step and no exclusion,
 *   - the first step is there, and every step before the last one there that is not optional,
 *   - events are in the order of their steps (`strict`: with no other event in between; `any`: in
 *     whatever order, and no step is optional),
 *   - from its first event to its last it takes no longer than the window, and from each event to
 *     the next no longer than the step timeout,
 *   - no event that matches an exclusion lies between its first and its last.
 *
 * The user's *level* is the last step of the attempt that gets furthest. Of all attempts that get
 * there one counts: the one that ends first; of those the one that begins last; of those, going
 * backwards from the end, the one whose events are the latest and then whose steps are the highest.
 * (`any`: the one that ends first; of those the one whose first step's event is the latest, then
 * whose second's, and so on.)
 */

import type { FunnelPlan } from "./plan_funnel.ts";

/** What a walk needs of a plan. */
export type WalkedPlan =
  & Pick<FunnelPlan, "order" | "windowMs" | "stepTimeoutMs">
  & {
    readonly steps: readonly { readonly optional: boolean }[];
    readonly exclusions: readonly unknown[];
  };
