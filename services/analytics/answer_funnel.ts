/**
 * Answers about funnels, free of any transport: how many users get how far, and who they are. What
 * a funnel is: docs/ANALYTICS.md.
 */

import {
  FUNNEL_USERS_PAGE_DEFAULT,
  FUNNEL_VALUES_MAX,
  USER_ROWS_OF_ONE_MAX,
} from "../../lib/config/limits.ts";
import {
  funnelFigures,
  type FunnelSegmentFigures,
  type FunnelStepFigures,
  type FunnelTrouble,
} from "../../lib/query/funnel/funnel_partial.ts";
import {
  FUNNEL_OUTCOMES,
  type FunnelOutcome,
  type FunnelUser,
  pageOfUsers,
  type UserHash,
} from "../../lib/query/funnel/funnel_question.ts";
import {
  type AskedFunnel,
  funnelKeys,
  type FunnelPlan,
  planFunnel,
} from "../../lib/query/funnel/plan_funnel.ts";
import { EXACT, QUANTILE_ESTIMATE } from "../../lib/query/metric.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { askRows, notesOnKeys, type Patience, withPatience } from "./ask_rows.ts";
import {
  type Asked,
  askedNow,
  DEFAULT_RANGE_MS,
  qualityOf,
  rangeJson,
  refused,
  type RequestedRange,
} from "./asked_range.ts";
import type { FunnelJson, FunnelUsersJson } from "./funnel_json.ts";
import { durationJson, int64Json, timestampJson } from "./proto_json.ts";

export interface FunnelRequest extends Omit<AskedFunnel, "fromMs" | "toMs"> {
  readonly range: RequestedRange;
  readonly patience: Patience;
}

export interface FunnelUsersRequest extends FunnelRequest {
  /** Counted from 1. */
  readonly step: number;
  /** One of FUNNEL_OUTCOMES. */
  readonly outcome: string;
  /** Users on a page, 1 to FUNNEL_USERS_PAGE_MAX; null = FUNNEL_USERS_PAGE_DEFAULT. */
  readonly limit: number | null;
  /** `next_page_token` of the page before; null = the first page. */
  readonly pageToken: string | null;
}

/** `analytics.v1` GetFunnelAnalysisResponse. Throws ProblemError. */
export async function answerFunnel(
  request: FunnelRequest,
  ports: AnalyticsPorts,
): Promise<FunnelJson> {
  const { asked, plan } = planned(request, ports);
  return await withPatience(request.patience, async (signal) => {
    const answer = await askRows({ kind: "funnel", plan }, ports, signal);
    refuseTrouble(answer.partials);
    const figures = funnelFigures(plan, answer.partials);
    const isEmpty = figures.steps.at(-1)!.users === 0 ||
      (plan.breakdown !== null && figures.segments.every(({ kind }) => kind === "none"));
    return {
      ...funnelJson(plan, figures.steps),
      metadata: {
        time_range: rangeJson(asked),
        total_users: int64Json(figures.steps[0].users),
        processing_time: durationJson(ports.now() - asked.atMs),
        order: plan.order,
        window: durationJson(plan.windowMs),
        step_timeout: plan.stepTimeoutMs === Infinity ? null : durationJson(plan.stepTimeoutMs),
      },
      breakdown: figures.segments.map((segment) => segmentJson(plan, segment)),
      notes: isEmpty ? await notesOn(plan, asked, ports, signal) : [],
      ...qualityOf(asked, answer, {
        "steps.users": EXACT,
        "steps.avg_time_to_convert": EXACT,
        "steps.median_time_to_convert": QUANTILE_ESTIMATE,
        overall_conversion_rate: EXACT,
        ...(plan.breakdown === null ? {} : { "breakdown.steps.users": EXACT }),
      }),
    };
  });
}

/** A page of the users who reached a step, or got no further than it. Throws ProblemError. */
export async function answerFunnelUsers(
  request: FunnelUsersRequest,
  ports: AnalyticsPorts,
): Promise<FunnelUsersJson> {
  const { asked, plan } = planned(request, ports);
  const { step, outcome } = askedUsers(request, plan);
  const limit = request.limit ?? FUNNEL_USERS_PAGE_DEFAULT;
  const after = request.pageToken === null ? null : readPageToken(request.pageToken);
  return await withPatience(request.patience, async (signal) => {
    const question = { kind: "funnel_users", plan, step, outcome, limit, after } as const;
    const answer = await askRows(question, ports, signal);
    refuseTrouble(answer.partials);
    const { users, hasMore } = pageOfUsers(answer.partials, limit);
    const isEmpty = users.length === 0 && after === null;
    return {
      users: users.map(userJson),
      next_page_token: hasMore ? writePageToken(users.at(-1)!) : "",
      metadata: {
        time_range: rangeJson(asked),
        processing_time: durationJson(ports.now() - asked.atMs),
      },
      notes: isEmpty ? await notesOn(plan, asked, ports, signal) : [],
      ...qualityOf(asked, answer, { users: EXACT }),
    };
  });
}

function planned(
  request: FunnelRequest,
  ports: AnalyticsPorts,
): { readonly asked: Asked; readonly plan: FunnelPlan } {
  const asked = askedNow(request.range, ports, DEFAULT_RANGE_MS, "time_range");
  const plan = planFunnel({ ...request, fromMs: asked.startMs, toMs: asked.endMs });
  if (!plan.ok) throw refused(plan.refusal);
  return { asked, plan: plan.plan };
}

function askedUsers({ step, outcome }: FunnelUsersRequest, { steps }: FunnelPlan) {
  if (step < 1 || step > steps.length) {
    const detail = `step must be from 1 to ${steps.length}, the number of a step`;
    throw refused({ parameter: "step", detail });
  }
  if (!(FUNNEL_OUTCOMES as readonly string[]).includes(outcome)) {
    const detail = `outcome must be one of ${FUNNEL_OUTCOMES.join(", ")}`;
    throw refused({ parameter: "outcome", detail });
  }
  if (outcome === "dropped" && step === steps.length) {
    const detail = "nobody drops out after the last step; ask for a step before it";
    throw refused({ parameter: "step", detail });
  }
  return { step: step - 1, outcome: outcome as FunnelOutcome };
}

/** What one partition can't answer, the question as a whole can't. */
function refuseTrouble(partials: readonly { readonly trouble: FunnelTrouble | null }[]): void {
  const troubles = partials.map(({ trouble }) => trouble);
  if (troubles.includes("rows")) {
    const detail = `a user has more than ${USER_ROWS_OF_ONE_MAX} events of this funnel; ask for ` +
      "a shorter range or filter more";
    throw refused({ parameter: "time_range", detail });
  }
  if (troubles.includes("labels")) {
    const detail = `the property has more than ${FUNNEL_VALUES_MAX} values, or very long ones; ` +
      "break down by another or filter more";
    throw refused({ parameter: "breakdown", detail });
  }
}

function notesOn(
  plan: FunnelPlan,
  asked: Asked,
  ports: AnalyticsPorts,
  signal: AbortSignal,
): Promise<string[]> {
  return notesOnKeys(funnelKeys(plan), { project: plan.project, ...asked }, ports, signal);
}

function funnelJson(plan: FunnelPlan, figures: readonly FunnelStepFigures[]) {
  return {
    steps: plan.steps.map((step, i) => ({
      ...stepJson(step, figures[i]),
      median_time_to_convert: maybeDuration(figures[i].medianMs),
    })),
    overall_conversion_rate: figures.at(-1)!.conversionRate,
  };
}

function stepJson({ name, optional }: FunnelPlan["steps"][number], figures: FunnelStepFigures) {
  return {
    name,
    users: int64Json(figures.users),
    conversion_rate: figures.conversionRate,
    avg_time_to_convert: maybeDuration(figures.avgMs),
    conversion_from_previous: figures.conversionFromPrevious,
    dropped: int64Json(figures.dropped),
    optional,
  };
}

function segmentJson(plan: FunnelPlan, { kind, value, steps }: FunnelSegmentFigures) {
  return {
    kind,
    value: value ?? `(${kind})`,
    steps: plan.steps.map((step, i) => stepJson(step, steps[i])),
    overall_conversion_rate: steps.at(-1)!.conversionRate,
  };
}

function maybeDuration(ms: number | null): string | null {
  return ms === null ? null : durationJson(ms);
}

function userJson({ userId, startedMs, endedMs, level }: FunnelUser) {
  return {
    user_id: userId,
    first_step_at: timestampJson(startedMs),
    last_step_at: timestampJson(endedMs),
    last_step: level + 1,
  };
}

/** The place of a user in the order of pages. */
function writePageToken({ high, low }: UserHash): string {
  return [high, low].map((word) => word.toString(16).padStart(8, "0")).join("");
}

function readPageToken(token: string): UserHash {
  if (!/^[0-9a-f]{16}$/.test(token)) {
    const detail = "page_token must be the next_page_token of an earlier answer";
    throw refused({ parameter: "page_token", detail });
  }
  return { high: parseInt(token.slice(0, 8), 16), low: parseInt(token.slice(8), 16) };
}
