/** The named limits of the client library, with their units: defaults where an option may change it. */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;

// --- Events --------------------------------------------------------------------------------------

/** Events that are tracked and not yet stored or refused; default. More are refused: `queue_full`. */
export const CLIENT_QUEUE_EVENTS = 10_000;
/** The same in bytes of JSON; default. */
export const CLIENT_QUEUE_BYTES = 32 * MIB;
/** Events of one request; default. */
export const CLIENT_BATCH_EVENTS = 500;
/** The most that the option may ask for: `/v1/events/batch` takes no more. */
export const CLIENT_BATCH_EVENTS_MAX = 1_000;
/** Bytes of JSON of one request; also of one event, since it goes in one. */
export const CLIENT_BATCH_BYTES = MIB;
/** How long an event waits for others, ms; default. */
export const CLIENT_BATCH_MS = 20;
/** Requests with events that are under way for one form of events; default: keeps their order. */
export const CLIENT_CONCURRENCY = 1;
/** The most of them. */
export const CLIENT_CONCURRENCY_MAX = 16;
/** Shorter bodies are not compressed, bytes. */
export const CLIENT_GZIP_BYTES_MIN = 4 * KIB;

// --- Retries -------------------------------------------------------------------------------------

/** Upper bound of the wait before the second attempt, ms; it doubles with each. */
export const CLIENT_RETRY_MS_FIRST = 100;
/** Where it stops doubling, ms. */
export const CLIENT_RETRY_MS_MAX = 10 * SECOND_MS;
/** Attempts of one request. */
export const CLIENT_ATTEMPTS_MAX = 100;
/** Longest time for all attempts of a request, ms; default. */
export const CLIENT_DEADLINE_MS = 60 * SECOND_MS;
/** Longest time for one attempt that sends events, ms; default. */
export const CLIENT_ATTEMPT_MS = 15 * SECOND_MS;
/** Attempts in a row to open a live stream again. */
export const CLIENT_LIVE_ATTEMPTS_MAX = 20;
/** Characters of an answer without a code that an error quotes. */
export const CLIENT_QUOTED_CHARS_MAX = 500;
/** Longest line or message of a stream, characters. */
export const CLIENT_LINE_CHARS_MAX = 16 * MIB;

// --- gRPC ----------------------------------------------------------------------------------------

/** Connections of a pool; default. */
export const CLIENT_POOL_SIZE = 2;
/** The most of them. */
export const CLIENT_POOL_SIZE_MAX = 64;
/** A connection without a call is closed after this long, ms; default. */
export const CLIENT_IDLE_MS = 300 * SECOND_MS;
/** How often a connection is pinged, ms; default. */
export const CLIENT_KEEPALIVE_MS = 30 * SECOND_MS;
/** A ping that is not answered for this long ends the connection, ms; default. */
export const CLIENT_KEEPALIVE_TIMEOUT_MS = 10 * SECOND_MS;
/** Longest time to connect, ms. */
export const CLIENT_CONNECT_MS_MAX = 10 * SECOND_MS;
/** Events of one stream that are sent and not answered; more wait. Default. */
export const CLIENT_STREAM_WINDOW = 1_000;
