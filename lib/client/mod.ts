/**
 * The client library over REST, for Deno, Node, Bun and browsers: docs/CLIENT.md. Over gRPC, which
 * needs Deno: grpc.ts beside this file.
 */
export { AnalyticsClient, type EventOutcome } from "./client.ts";
export type { ClientOptions } from "./client_options.ts";
export type { EventReceipt } from "./event_queue.ts";
export type { CallOptions } from "./http_transport.ts";
export { ApiError, CLIENT_CODES, type ClientCode } from "./api_error.ts";
export { type Clock, systemClock } from "./clock.ts";
export {
  type ClientEvent,
  customEvent,
  type CustomEventData,
  type EventHead,
  type EventTypeName,
  type Instant,
  type PlainEvent,
  systemEvent,
  type SystemEventData,
  transactionEvent,
  type TransactionEventData,
  type TypedEvent,
  userEvent,
  type UserEventData,
} from "./events.ts";
export type {
  LiveEventMessage,
  LiveMessage,
  LiveOptions,
  LiveSecond,
  LiveWindow,
  Missed,
} from "./live.ts";
export type {
  BreakdownQuestion,
  Condition,
  DeadLetterChoice,
  DeadLetterFilter,
  DeadLettersQuestion,
  EventChoice,
  ExportQuestion,
  FunnelQuestion,
  FunnelStep,
  FunnelUsersQuestion,
  Granularity,
  LiveEventsQuestion,
  LiveQuestion,
  PathsQuestion,
  Question,
  RetentionQuestion,
  SqlQuestion,
  StickinessQuestion,
  TimeRange,
  TimeSeriesQuestion,
  UserQuestion,
  UsersQuestion,
} from "./questions.ts";
export type {
  AnsweredRange,
  Breakdown,
  BreakdownFigures,
  Completeness,
  DeadLetter,
  DeadLetterPage,
  Funnel,
  FunnelStepResult,
  FunnelUsers,
  PathNode,
  Paths,
  PathStep,
  ReplayResult,
  Retention,
  SqlResult,
  Stickiness,
  StoredEvent,
  Summary,
  TimeSeries,
  User,
  Users,
} from "./answers.ts";
export { uuidV7 } from "./uuid_v7.ts";
