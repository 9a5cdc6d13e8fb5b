/** The named limits of HTTP/2, gRPC and the metrics' history, with their units; see limits.ts. */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;

// --- HTTP/2 --------------------------------------------------------------------------------------

/** What a peer may send on one stream before it is read, bytes. */
export const H2_STREAM_WINDOW_BYTES = 256 * KIB;
/** The same on one connection, bytes. */
export const H2_CONNECTION_WINDOW_BYTES = MIB;
/** Streams that a peer may have open on one connection. */
export const H2_STREAMS_MAX = 1_000;
/** Longest header list, bytes, counted as HPACK counts. */
export const H2_HEADER_LIST_BYTES_MAX = 16 * KIB;
/** Longest compressed header block, bytes: what does not fit ends the connection. */
export const H2_HEADER_BLOCK_BYTES_MAX = 64 * KIB;
/** Bytes that wait to be sent on one connection: streams wait, and nothing more is read. */
export const H2_SEND_BYTES_MAX = 256 * KIB;
/** Longest a new connection takes to say what it is, ms. */
export const H2_PREFACE_MS_MAX = 10 * SECOND_MS;
/** Streams that a peer may reset, beyond half of those it opened, before it is sent away. */
export const H2_RESETS_MAX = 200;
/** Frames that carry nothing (pings, settings, empty data) which a peer may send in a period, ... */
export const H2_IDLE_FRAMES_MAX = 10_000;
/** ... that is this long, ms; more, and it is sent away. */
export const H2_IDLE_FRAMES_PERIOD_MS = 10 * SECOND_MS;
/** Longest a connection that broke the rules may take to read why, ms. */
export const H2_GOODBYE_MS_MAX = SECOND_MS;
/** Connections of one port at a time; more are closed at once. */
export const H2_CONNECTIONS_MAX = 4_096;

// --- gRPC ----------------------------------------------------------------------------------------

/** A connection without traffic is pinged after this long, ms. */
export const GRPC_KEEPALIVE_MS = 30 * SECOND_MS;
/** A ping that is not answered for this long ends the connection, ms. */
export const GRPC_KEEPALIVE_TIMEOUT_MS = 10 * SECOND_MS;

/** Calls of one process that are open at a time; more get RESOURCE_EXHAUSTED. */
export const GRPC_CALLS_MAX = 10_000;
/** Bytes that messages under way may hold together; beyond it calls get RESOURCE_EXHAUSTED. */
export const GRPC_MESSAGES_BYTES_MAX = 64 * MIB;
/** Longest text about an error that a call ends with, characters. */
export const GRPC_DETAIL_CHARS_MAX = 1_024;

/** Batches of one stream of events that are under way; more are not read. */
export const STREAM_BATCHES_MAX = 8;
/** Longest `flush_interval` of a stream, ms. */
export const STREAM_FLUSH_MS_MAX = 10 * SECOND_MS;
/** How often a stream of events tells its state, ms. */
export const STREAM_STATUS_MS = 5 * SECOND_MS;

// --- Metrics -------------------------------------------------------------------------------------

/** How often the values of all metrics are kept for questions about the last hour, ms. */
export const METRIC_SAMPLE_MS = 10 * SECOND_MS;
/** Samples that are kept: an hour of them. */
export const METRIC_SAMPLES_MAX = 360;
/** Series that are kept; those after them are not, and answers say so. */
export const METRIC_SERIES_MAX = 5_000;
/** How often a stream of metrics gives all values again, ms. */
export const METRIC_STREAM_MS = 5 * SECOND_MS;
/** Metrics that one question may name. */
export const METRIC_NAMES_MAX = 100;
