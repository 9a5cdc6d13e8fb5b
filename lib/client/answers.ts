/**
 * The answers, with the names of the REST API. Counts, which proto JSON writes as texts, are read as
 * numbers; times stay RFC 3339 texts, durations texts such as `"0.004s"`.
 */
import type { Granularity } from "./questions.ts";

/** How complete and how exact an answer is. */
export interface Completeness {
  /** Every event received before this time is counted. */
  readonly complete_until: string;
  /** That reaches the end of the range. */
  readonly complete: boolean;
  /** By number: `exact`, or the error. */
  readonly accuracy: Readonly<Record<string, string>>;
  /** What is odd, such as a property that no event has. */
  readonly notes?: readonly string[];
  readonly missing_partitions?: readonly number[];
}

export interface AnsweredRange {
  readonly start: string;
  readonly end: string;
}

export interface Summary extends Completeness {
  readonly total_events: number;
  readonly unique_users: number;
  readonly sessions: number;
  readonly events_by_type: Readonly<Record<string, number>>;
  readonly top_metrics: readonly {
    readonly name: string;
    readonly value: number;
    readonly unit: string;
    readonly change_percentage: number;
  }[];
  readonly last_updated: string;
  readonly metadata: {
    readonly time_range: AnsweredRange;
    readonly processing_time: string;
    readonly cache_status: string;
  };
}

export interface TimeSeries extends Completeness {
  readonly series: readonly {
    readonly timestamp: string;
    readonly value: number;
    readonly labels: Readonly<Record<string, string>>;
  }[];
  readonly metadata: {
    readonly metric: string;
    readonly granularity: `TIME_GRANULARITY_${Uppercase<Granularity>}`;
    readonly data_points: number;
    readonly time_range: AnsweredRange;
    readonly time_zone: string;
    readonly processing_time: string;
  };
}

export interface BreakdownFigures {
  readonly value: number;
  readonly previous_value: number;
  readonly change_percentage: number;
  readonly events: number;
  readonly events_without_number: number;
  readonly points: readonly { readonly timestamp: string; readonly value: number }[];
}

export interface Breakdown extends Completeness {
  readonly groups: readonly (BreakdownFigures & {
    readonly labels: Readonly<Record<string, string>>;
    readonly missing: readonly string[];
  })[];
  readonly other: BreakdownFigures | null;
  readonly total: BreakdownFigures;
  readonly metadata: {
    readonly metric: string;
    readonly group_by: readonly string[];
    readonly limit: number;
    readonly groups: number;
    readonly granularity: string;
    readonly time_range: AnsweredRange;
    readonly previous_time_range: AnsweredRange;
    readonly time_zone: string;
    readonly processing_time: string;
  };
}

export interface FunnelStepResult {
  readonly name: string;
  readonly users: number;
  readonly conversion_rate: number;
  readonly conversion_from_previous: number;
  readonly avg_time_to_convert: string | null;
  readonly median_time_to_convert: string | null;
  readonly dropped: number;
  readonly optional: boolean;
}

export interface Funnel extends Completeness {
  readonly steps: readonly FunnelStepResult[];
  readonly overall_conversion_rate: number;
  readonly breakdown: readonly {
    readonly kind: "value" | "other" | "none";
    readonly value: string;
    readonly steps: readonly FunnelStepResult[];
    readonly overall_conversion_rate: number;
  }[];
  readonly metadata: {
    readonly time_range: AnsweredRange;
    readonly total_users: number;
    readonly processing_time: string;
    readonly order: string;
    readonly window: string;
    readonly step_timeout: string | null;
  };
}

export interface FunnelUsers extends Completeness {
  readonly users: readonly {
    readonly user_id: string;
    readonly first_step_at: string;
    readonly last_step_at: string;
    readonly last_step: number;
  }[];
  readonly next_page_token: string;
}

export interface Retention extends Completeness {
  readonly cohorts: readonly {
    readonly start: string;
    readonly end: string;
    readonly size: number;
    readonly complete: boolean;
    readonly periods: readonly {
      readonly period: number;
      readonly start: string;
      readonly users: number;
      readonly rate: number;
      readonly complete: boolean;
    }[];
  }[];
  readonly totals: {
    readonly size: number;
    readonly periods: readonly {
      readonly period: number;
      readonly cohorts: number;
      readonly size: number;
      readonly users: number;
      readonly rate: number;
    }[];
  };
  readonly metadata: {
    readonly mode: string;
    readonly cohort: string;
    readonly granularity: string;
    readonly time_zone: string;
    readonly time_range: AnsweredRange;
    readonly processing_time: string;
  };
}

export interface Stickiness extends Completeness {
  readonly periods: readonly {
    readonly start: string;
    readonly end: string;
    readonly complete: boolean;
    readonly days: number;
    readonly users: number;
    readonly user_days: number;
    readonly mean_days: number;
    readonly daily_users: number;
    readonly ratio: number;
    readonly users_by_days: readonly number[];
  }[];
  readonly active_users: {
    readonly day: AnsweredRange;
    readonly complete: boolean;
    readonly daily: number;
    readonly weekly: number;
    readonly monthly: number;
    readonly daily_to_weekly: number;
    readonly daily_to_monthly: number;
    readonly weekly_to_monthly: number;
  };
  readonly metadata: {
    readonly granularity: string;
    readonly time_zone: string;
    readonly time_range: AnsweredRange;
    readonly processing_time: string;
  };
}

export interface PathNode {
  readonly occurrences: number;
  readonly users: number;
  readonly ended: number;
  readonly other: { readonly types: number; readonly occurrences: number };
  readonly steps: readonly PathStep[];
}

export interface PathStep extends PathNode {
  readonly type: string;
  readonly rate: number;
}

export interface Paths extends PathNode, Completeness {
  readonly metadata: {
    readonly direction: "next" | "previous";
    readonly scope: string;
    readonly depth: number;
    readonly limit: number;
    readonly time_range: AnsweredRange;
    readonly processing_time: string;
  };
}

/** An event as it is given back. */
export interface StoredEvent {
  readonly id: string;
  readonly user_id: string;
  readonly session_id: string;
  readonly event_type: string;
  readonly timestamp: string;
  readonly source: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly type: string;
  readonly received_at: string;
}

export interface User extends Completeness {
  readonly user_profile: {
    readonly user_id: string;
    readonly first_seen: string;
    readonly last_seen: string;
    readonly total_sessions: number;
    readonly total_events: number;
    readonly attributes: Readonly<Record<string, string>>;
    readonly attribute_events: number;
  };
  readonly sessions: readonly {
    readonly session_id: string;
    readonly start_time: string;
    readonly end_time: string;
    readonly event_count: number;
    readonly duration: string;
    readonly properties: Readonly<Record<string, string>>;
    readonly entry_type: string;
    readonly exit_type: string;
  }[];
  readonly events: readonly StoredEvent[];
  readonly metrics: {
    readonly engagement_score: number;
    readonly days_active: number;
    readonly avg_session_duration: number;
    readonly total_transactions: number;
    readonly total_revenue: number;
    readonly sessions: number;
    readonly days_in_range: number;
  };
  readonly next_page_token: string;
  readonly next_sessions_page_token: string;
  readonly time_range: AnsweredRange;
  readonly time_zone: string;
}

export interface Users extends Completeness {
  readonly users: readonly {
    readonly user_id: string;
    readonly first_seen: string;
    readonly last_seen: string;
    readonly total_events: number;
  }[];
  readonly next_page_token: string;
}

export interface SqlResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly row_count: number;
  readonly time_range?: AnsweredRange;
  readonly processing_time: string;
  readonly complete_until: string;
  readonly complete: boolean;
}

export interface DeadLetter {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: string;
  readonly message: string;
  readonly time: string;
  readonly payload: string;
  readonly payload_encoding: "text" | "base64";
  readonly payload_bytes: number;
  readonly payload_truncated: boolean;
  readonly line: number;
  readonly received_at: string;
  readonly state: "waiting" | "replayed";
}

export interface DeadLetterPage {
  readonly dead_letters: readonly DeadLetter[];
  readonly next_page_token: string;
  readonly waiting_by_reason: Readonly<Record<string, number>>;
}

export interface ReplayResult {
  readonly success: boolean;
  readonly replayed_count: number;
  readonly refused_count: number;
  readonly not_found_count: number;
  readonly results: readonly {
    readonly id: string;
    readonly verdict: "replayed" | "refused" | "not_found";
    readonly event_id?: string;
    readonly replayed_at?: string;
    readonly code?: string;
    readonly field?: string;
    readonly message?: string;
  }[];
  readonly next_page_token: string;
}
