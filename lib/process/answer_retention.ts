/**
 * Retention and stickiness from the rows of one partition. The store gives each user's periods of
 * activity as bits; here they are counted.
 */

import {
  RetentionCounter,
  type RetentionPartial,
  type RetentionQuestion,
} from "../query/retention/retention.ts";
import {
  StickinessCounter,
  type StickinessPartial,
  type StickinessQuestion,
} from "../query/retention/stickiness.ts";
import type { PartitionStore } from "../store/event_store.ts";

/** One partition's matrix. Rejects as `answerRows` does. */
export async function answerRetention(
  question: RetentionQuestion,
  store: PartitionStore,
  signal: AbortSignal,
): Promise<RetentionPartial> {
  const { project, boundsMs, start, again: filter, cohort } = question;
  const counter = new RetentionCounter(question);
  if (boundsMs.length < 2) return counter.partial;
  const since = { fromMs: cohort === "first_ever" ? 0 : boundsMs[0], filter: start };
  const query = { project, boundsMs, filter, since };
  await store.userPeriods(query, ({ count, firstMs, active }) => {
    for (let i = 0; i < count; i++) {
      const period = periodOf(firstMs![i], boundsMs);
      counter.add(period, active[2 * i], active[2 * i + 1]);
    }
  }, signal);
  return counter.partial;
}

/** One partition's counts: a read for each period, since each has its own users. */
export async function answerStickiness(
  question: StickinessQuestion,
  store: PartitionStore,
  signal: AbortSignal,
): Promise<StickinessPartial> {
  const { project, filter, periodDaysMs, lastDaysMs } = question;
  const counter = new StickinessCounter(question);
  const read = async (boundsMs: readonly number[], add: (days: number) => void) => {
    if (boundsMs.length < 2) return;
    const query = { project, boundsMs, filter, since: null };
    await store.userPeriods(query, ({ count, active }) => {
      for (let i = 0; i < count; i++) add(active[2 * i]);
    }, signal);
  };
  for (const [period, days] of periodDaysMs.entries()) {
    await read(days, (active) => counter.add(period, active));
  }
  await read(lastDaysMs, (active) => counter.addLast(active));
  return counter.partial;
}

/** The period that an instant lies in, which is one of them. */
function periodOf(instantMs: number, boundsMs: readonly number[]): number {
  let low = 0;
  let high = boundsMs.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (boundsMs[middle] <= instantMs) low = middle;
    else high = middle - 1;
  }
  return low;
}
