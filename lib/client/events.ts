/**
 * Events as they are given to the client: the plain form, and the typed forms of `analytics.v1`.
 * Names are those of the wire (docs/EVENTS.md), so that there is one set of names.
 */

/** A time: a Date, ms since the epoch, or an RFC 3339 text. */
export type Instant = Date | number | string;

/** The plain form: any type of event, with properties that are numbers and truths as well. */
export interface PlainEvent {
  /** Made when it is missing, once: attempts that follow send the same. */
  readonly id?: string;
  readonly user_id: string;
  readonly event_type: string;
  /** The time of track() when it is missing. */
  readonly timestamp?: Instant;
  readonly source?: string;
  readonly session_id?: string;
  readonly amount?: number;
  readonly category?: EventTypeName;
  readonly properties?: Readonly<Record<string, string | number | boolean | null>>;
}

export type EventTypeName =
  | "EVENT_TYPE_USER"
  | "EVENT_TYPE_TRANSACTION"
  | "EVENT_TYPE_SYSTEM"
  | "EVENT_TYPE_CUSTOM";

/** What every typed event has. */
export interface EventHead {
  readonly id?: string;
  readonly user_id: string;
  readonly session_id?: string;
  readonly timestamp?: Instant;
  readonly source?: string;
  readonly properties?: Readonly<Record<string, string>>;
}

type TextMap = Readonly<Record<string, string>>;

export interface UserEventData {
  readonly action: string;
  readonly page_url?: string;
  readonly referrer?: string;
  readonly user_agent?: string;
  readonly ip_address?: string;
  readonly metadata?: TextMap;
  readonly user_context?: {
    readonly device_type?: string;
    readonly browser?: string;
    readonly os?: string;
    readonly country?: string;
    readonly city?: string;
    readonly is_new_user?: boolean;
  };
}

export interface TransactionEventData {
  readonly transaction_id: string;
  readonly type?: `TRANSACTION_TYPE_${"PURCHASE" | "REFUND" | "SUBSCRIPTION" | "TRANSFER"}`;
  /** 0 or more. */
  readonly amount: number;
  /** Three letters, such as EUR. */
  readonly currency: string;
  readonly status?: `TRANSACTION_STATUS_${"PENDING" | "COMPLETED" | "FAILED" | "CANCELLED"}`;
  readonly payment_method?: string;
  readonly items?: readonly {
    readonly item_id?: string;
    readonly name?: string;
    readonly category?: string;
    readonly price?: number;
    readonly quantity?: number;
  }[];
  readonly metadata?: {
    readonly merchant_id?: string;
    readonly store_id?: string;
    readonly campaign_id?: string;
    readonly custom_fields?: TextMap;
  };
}

export interface SystemEventData {
  readonly component?: string;
  readonly type?: `SYSTEM_EVENT_TYPE_${"ERROR" | "WARNING" | "INFO" | "METRIC"}`;
  readonly severity?: `SYSTEM_SEVERITY_${"LOW" | "MEDIUM" | "HIGH" | "CRITICAL"}`;
  readonly message?: string;
  readonly tags?: TextMap;
  readonly metrics?: {
    readonly cpu_usage?: number;
    readonly memory_usage?: number;
    readonly disk_usage?: number;
    readonly active_connections?: number;
    readonly response_time?: number;
  };
}

export interface CustomEventData {
  readonly name: string;
  readonly category?: string;
  readonly attributes?: TextMap;
  readonly metrics?: readonly {
    readonly name?: string;
    readonly value?: number;
    readonly unit?: string;
  }[];
}

/** A typed event, as `analytics.v1.Event`. */
export type TypedEvent =
  & EventHead
  & (
    | { readonly event_type: "EVENT_TYPE_USER"; readonly user_event: UserEventData }
    | {
      readonly event_type: "EVENT_TYPE_TRANSACTION";
      readonly transaction_event: TransactionEventData;
    }
    | { readonly event_type: "EVENT_TYPE_SYSTEM"; readonly system_event: SystemEventData }
    | { readonly event_type: "EVENT_TYPE_CUSTOM"; readonly custom_event: CustomEventData }
  );

export type ClientEvent = PlainEvent | TypedEvent;

/** What somebody did. */
export function userEvent(head: EventHead, data: UserEventData): TypedEvent {
  return { ...head, event_type: "EVENT_TYPE_USER", user_event: data };
}

/** Money that moved. */
export function transactionEvent(head: EventHead, data: TransactionEventData): TypedEvent {
  return { ...head, event_type: "EVENT_TYPE_TRANSACTION", transaction_event: data };
}

/** What a machine reports. */
export function systemEvent(head: EventHead, data: SystemEventData): TypedEvent {
  return { ...head, event_type: "EVENT_TYPE_SYSTEM", system_event: data };
}

/** Anything else with a name. */
export function customEvent(head: EventHead, data: CustomEventData): TypedEvent {
  return { ...head, event_type: "EVENT_TYPE_CUSTOM", custom_event: data };
}

/** Whether it is one of the typed forms. */
export function isTyped(event: ClientEvent): event is TypedEvent {
  return "user_event" in event || "transaction_event" in event || "system_event" in event ||
    "custom_event" in event;
}

/** A time as RFC 3339 text. A text is left as it is: the platform judges it. */
export function instantText(instant: Instant): string {
  return typeof instant === "string" ? instant : new Date(instant).toISOString();
}
