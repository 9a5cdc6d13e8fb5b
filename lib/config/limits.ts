/**
 * Every named limit of the platform, with its unit. Nothing here is computed from the machine or
 * the environment, so that PURE folders may import it; what an operator may set is in config.ts.
 *
 * A limit is what keeps a queue, ring, batch, body, label set or retry from growing without end.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

// --- One event -----------------------------------------------------------------------------------

/** Longest event as JSON text, bytes. */
export const EVENT_BYTES_MAX = 64 * KIB;
/** Longest `properties` object as JSON text, bytes. */
export const PROPERTIES_BYTES_MAX = 32 * KIB;
/** Most properties of one event. */
export const PROPERTIES_MAX = 100;
/** Longest event id, Unicode code points. */
export const ID_CHARS_MAX = 128;
/** Longest user id, Unicode code points. */
export const USER_ID_CHARS_MAX = 256;
/** Longest event type, Unicode code points. */
export const TYPE_CHARS_MAX = 128;
/** Longest session id, Unicode code points. */
export const SESSION_ID_CHARS_MAX = 128;
/** Longest source, Unicode code points. */
export const SOURCE_CHARS_MAX = 256;
/** How far after its arrival an event may claim to have happened, ms. */
export const FUTURE_MS_MAX = HOUR_MS;
/** Timestamps below this are seconds since the epoch, others milliseconds. */
export const TIMESTAMP_SECONDS_BELOW = 100_000_000_000;

// --- One request ---------------------------------------------------------------------------------

/** Longest request body, bytes; after unpacking as well. */
export const BODY_BYTES_MAX = 8 * MIB;
/** Bodies up to this length are read without being counted or timed, bytes. */
export const BODY_SMALL_BYTES = 64 * KIB;
/** Bodies that requests under way may hold together, bytes; beyond it the answer is 429. */
export const BODIES_BYTES_MAX = 64 * MIB;
/** Longest time for a body to arrive, ms. */
export const BODY_READ_MS_MAX = 30 * SECOND_MS;
/** Longest handshake of mutual TLS. */
export const MTLS_HANDSHAKE_MS_MAX = 10 * SECOND_MS;
/** Most requests that the span of one commit is linked to. */
export const COMMIT_SPAN_LINKS_MAX = 32;
/** Most connections of one HTTP port at a time where clients show certificates. */
export const HTTP_MTLS_CONNECTIONS_MAX = 4_096;
/** Most events of one REST batch. */
export const EVENTS_PER_BATCH_MAX = 10_000;
/** Most events of one `analytics.v1` batch. */
export const EVENTS_PER_V1_BATCH_MAX = 1_000;
/** Longest `x-request-id` that is taken from a caller, characters. */
export const REQUEST_ID_CHARS_MAX = 128;
/** Longest path of a request that is logged or repeated, characters. */
export const PATH_LOGGED_CHARS_MAX = 256;
/** What `Retry-After` says on 429 and 503, seconds. */
export const RETRY_AFTER_SECONDS = 1;
/** Longest text from a caller that an error message repeats, characters. */
export const ECHO_CHARS_MAX = 64;
/** Longest a gateway waits for the beginning of an answer that it passes on, ms: longer than any
 * question may take (ROW_QUESTION_SECONDS_MAX), so that the answer says what was wrong. */
export const FORWARD_MS_MAX = 125 * SECOND_MS;
/** Longest a shutting-down server waits for requests in flight, ms. */
export const DRAIN_MS_MAX = 8 * SECOND_MS;
/** A shutting-down server holds its answers back until no request has come for this long, ms, ... */
export const HOLDING_QUIET_MS = 200;
/** ... or for this long, with clients that do not wait for their answers, ms. */
export const HOLDING_QUIET_MS_MAX = 600;

// --- Rings and queues ----------------------------------------------------------------------------

/** Ring from the main thread to the log writer, bytes; a power of two. */
export const RING_BYTES = 16 * MIB;
/** Ring from the log writer back with acknowledgements, bytes; a power of two. */
export const ACK_RING_BYTES = 64 * KIB;
/** Requests of up to this many bytes of lines are joined with others of the same moment. */
export const GATHERED_REQUEST_BYTES_MAX = 4 * KIB;
/** Most bytes of lines that are joined to one part. */
export const GATHERED_BYTES_MAX = 64 * KIB;

// --- Log -----------------------------------------------------------------------------------------

/** Most bytes of lines in one record or one append frame; neighbours are joined up to this. */
export const LOG_RECORD_BYTES_MAX = MIB;
/** Most bytes of frames that the writer gathers into one commit. */
export const WRITER_COMMIT_BYTES_MAX = 8 * MIB;
/** The log's WAL is copied into its file at every so many bytes; about 20 ms of work. */
export const LOG_CHECKPOINT_BYTES = 16 * MIB;
/** From here on the log's WAL is emptied even if that has to wait for readers, bytes. */
export const LOG_WAL_BYTES_MAX = 64 * MIB;
/** Most bytes of records that one trim call forgets. */
export const LOG_TRIM_BYTES_MAX = 16 * MIB;
/** Most records that one trim call forgets. */
export const LOG_TRIM_RECORDS_MAX = 1024;
/** Most free pages that one trim call gives back to the file system. */
export const LOG_SHRINK_PAGES_MAX = 512;

// --- Kafka ---------------------------------------------------------------------------------------

/** Longest a connection to a broker takes, and longest its authentication, ms. */
export const KAFKA_CONNECT_MS_MAX = 2 * SECOND_MS;
/** Longest a broker takes to answer a small request, ms. */
export const KAFKA_REQUEST_MS_MAX = 3 * SECOND_MS;
/** Longest a broker takes to answer a fetch that has something to give, ms. */
export const KAFKA_FETCH_MS_MAX = 10 * SECOND_MS;
/** Longest an append tries to be acknowledged before it fails, ms. */
export const KAFKA_DELIVERY_MS_MAX = 10 * SECOND_MS;
/** The same while brokers are known to be away or to refuse, ms. */
export const KAFKA_DELIVERY_AWAY_MS_MAX = 500;
/** First wait before something is tried again, ms; it doubles from attempt to attempt. */
export const KAFKA_RETRY_MS_FIRST = 50;
/** Longest wait before something is tried again, ms. */
export const KAFKA_RETRY_MS_MAX = SECOND_MS;
/** The client's own complaints are logged again after this long, ms. */
export const KAFKA_LOG_REPEAT_MS = 30 * SECOND_MS;
/** Most bytes of one record batch; brokers refuse 1,048,588 unless told otherwise. */
export const KAFKA_BATCH_BYTES_MAX = 1_000_000;
/** Most bytes of lines in one record of many events. */
export const KAFKA_RECORD_BYTES_MAX = 512 * KIB;
/** Most bytes that a record batch may come to when it is unpacked. */
export const KAFKA_UNPACKED_BYTES_MAX = 64 * MIB;
/** Fetched bytes that wait in one shard; partitions above their share of it are paused. */
export const KAFKA_BUFFER_BYTES_MAX = 8 * MIB;
/** Most bytes of one fetch. */
export const KAFKA_FETCH_BYTES_MAX = 4 * MIB;
/** Most bytes of one partition in one fetch. */
export const KAFKA_FETCH_PARTITION_BYTES_MAX = 2 * MIB;
/** Longest a broker holds a fetch back for want of news, ms. */
export const KAFKA_FETCH_WAIT_MS_MAX = 250;
/** The same while a partition is paused, which must not wait for the others when it goes on, ms. */
export const KAFKA_FETCH_PAUSED_WAIT_MS_MAX = 20;
/** Longest a read of one partition tries to reach its broker, ms. */
export const KAFKA_READ_MS_MAX = 5 * SECOND_MS;
/** How often a member of the group looks for new partitions, ms. */
export const KAFKA_METADATA_MS_MAX = 10 * SECOND_MS;
/** Longest a new topic takes until each of its partitions has a leader, ms. */
export const KAFKA_TOPIC_READY_MS_MAX = 10 * SECOND_MS;
/** While brokers are waited for at the start, that is said again after this long, ms. */
export const KAFKA_WAIT_SAY_MS = 5 * SECOND_MS;
/** How often a member of the group says that it lives, ms: so soon it hears of a rebalance. */
export const KAFKA_HEARTBEAT_MS = 500;
/** Longest that a shard that ends waits for the group to let it go, ms. */
export const KAFKA_LEAVE_MS_MAX = 2 * SECOND_MS;

/** Bytes of dead letters in one send to their topic, unless one is longer: a broker takes 1 MB. */
export const KAFKA_LETTERS_SEND_BYTES_MAX = 512 * KIB;
/** Dead letters of the topic that wait to be put into the file that is searched. */
export const LETTERS_INDEXED_AT_ONCE = 256;
/** How often a shard tells Kafka how far its store is, for lag tools, ms. */
export const STORED_REPORT_MS = SECOND_MS;
/** How long a shard waits before it tries to put dead letters again, ms. */
export const DEAD_LETTER_RETRY_MS = SECOND_MS;
/** Lines to be set aside that make a partition commit, bytes. */
export const LETTER_BYTES_PENDING_MAX = 4 * MIB;
/** Failures of a shard at the same records after which they are set aside as poison. */
export const POISON_FAILURES = 3;
/** Read in one go where a shard failed before, bytes: fewer events are held up by a bad one. */
export const SUSPECT_READ_BYTES_MAX = 64 * KIB;

// --- Telemetry -----------------------------------------------------------------------------------

/** Distinct `event_type` label values in metrics; the types after these are counted as `other`. */
export const METRIC_EVENT_TYPES_MAX = 100;

// --- Supervisor ----------------------------------------------------------------------------------

/** Quick failures in a row after which the restart loop gives up. */
export const QUICK_FAILURES_MAX = 10;
/** Longest wait of the restart loop before it starts the platform again, ms. */
export const RESTART_WAIT_MS_MAX = 5 * SECOND_MS;
/** Longest the restart loop waits for a platform that was told to stop before it kills it, ms. */
export const STOP_MS_MAX = 14 * SECOND_MS;
/** Size at which the log file is set aside and begun anew, bytes; one old file is kept. */
export const LOG_FILE_BYTES_MAX = 16 * MIB;
/** Longest piece of a log line that is held back until the line is whole, bytes. */
export const LOG_LINE_BYTES_MAX = 64 * KIB;

// --- Questions -----------------------------------------------------------------------------------

/** Longest time range of one question, days. */
export const RANGE_DAYS_MAX = 3_660;
/** Most buckets of one time series. */
export const SERIES_BUCKETS_MAX = 10_000;
/** Most points of one time series: buckets times groups. */
export const SERIES_POINTS_MAX = 100_000;
/** Most event types that one question may name. */
export const FILTER_TYPES_MAX = 100;
/** Event types that a summary counts one by one; the smaller ones after these are `(other)`. */
export const SUMMARY_TYPES_MAX = 1_000;
/** Most conditions of one filter. */
export const FILTER_CONDITIONS_MAX = 50;
/** Deepest nesting of a filter's groups. */
export const FILTER_DEPTH_MAX = 3;
/** Most values of one `in` or `not_in`. */
export const FILTER_VALUES_MAX = 100;
/** Longest name or text of a filter, UTF-16 code units. */
export const FILTER_TEXT_CHARS_MAX = 1_024;
/** How long a question to rows may take unless it says otherwise, ms. */
export const ROW_QUESTION_MS_DEFAULT = 30 * SECOND_MS;
/** Longest `timeout_seconds` that a question may give, seconds. */
export const ROW_QUESTION_SECONDS_MAX = 120;
/** Property names of an empty answer that are looked up, to say which no event has. */
export const NOTES_KEYS_MAX = 10;
/** Longest text of the notes in a header of an answer as CSV, characters; the rest is counted. */
export const CSV_NOTES_CHARS_MAX = 4_096;
/** Questions to rows that one shard works on at a time; more wait. */
export const ROW_QUESTIONS_MAX = 4;
/** Most values of a property, or pairs of values of two, that one breakdown tells apart. */
export const GROUPS_MAX = 100_000;
/** The same times the buckets of time that each is counted in. */
export const GROUP_PLACES_MAX = 500_000;
/** Users, sessions or percentiles by group that one partition keeps for an answer, bytes. */
export const GROUP_SKETCH_BYTES_MAX = 16 * MIB;
/** Properties or fields that a question may group by. */
export const GROUP_BY_MAX = 2;
/** Groups of a breakdown that are told one by one unless `limit` says otherwise. */
export const BREAKDOWN_LIMIT_DEFAULT = 10;
/** Most groups of a breakdown that are told one by one. */
export const BREAKDOWN_LIMIT_MAX = 1_000;
/** Most filters that one scan tells its rows by. */
export const SCAN_MATCHES_MAX = 31;
/** Rows that a shard groups by user in one pass over a partition; more take several passes. */
export const USER_ROWS_MAX = 2_000_000;
/** Passes that one shard works on at a time, 28 bytes a row and more; others wait. */
export const USER_ROWS_PASSES_MAX = 1;
/** Rows of one user, or of few whose hashes can't be told apart, that a pass may come to. */
export const USER_ROWS_OF_ONE_MAX = 8_000_000;
/** Parts that the users of a partition are divided into at most. */
export const USER_ROWS_PARTS_MAX = 4_096;
/** Memory for the users of a partition that a funnel walks at a time, bytes; more take more passes. */
export const FUNNEL_WALKS_BYTES_MAX = 64 * MIB;
/** Partitions that one shard walks a funnel in at a time; others wait. */
export const FUNNEL_PASSES_MAX = 2;
/** UTF-16 code units of the texts that grouped rows are labelled with, together. */
export const USER_LABEL_CHARS_MAX = 4 * MIB;
/** Longest a shard works on a question without letting its other work go on, ms. */
export const ROW_WORK_SLICE_MS = 8;
/** Most periods of one question about retention or stickiness. */
export const RETENTION_PERIODS_MAX = 60;
/** Periods up to now that such a question is about unless its range says otherwise. */
export const RETENTION_PERIODS_DEFAULT = 8;
/** Periods that a store tells apart in one go: bits of a 64-bit number. */
export const USER_PERIODS_MAX = 64;
/** Users of a partition that a store keeps in memory at a time; more are read in several goes. */
export const USER_SLICE_USERS_MAX = 262_144;
/** Fewest steps of a funnel. */
export const FUNNEL_STEPS_MIN = 2;
/** Most steps of a funnel. */
export const FUNNEL_STEPS_MAX = 20;
/** Conditions of all steps and exclusions of a funnel together. */
export const FUNNEL_CONDITIONS_MAX = 100;
/** Most exclusions of a funnel; with its steps no more than SCAN_MATCHES_MAX. */
export const FUNNEL_EXCLUSIONS_MAX = 10;
/** Values that the breakdown of a funnel shows unless `breakdown_limit` says otherwise. */
export const FUNNEL_SEGMENTS_DEFAULT = 10;
/** Most values that the breakdown of a funnel shows; the others are together. */
export const FUNNEL_SEGMENTS_MAX = 100;
/** Most values that the breakdown of a funnel tells apart in one partition. */
export const FUNNEL_VALUES_MAX = 10_000;
/** Most users on one page of a funnel's users. */
export const FUNNEL_USERS_PAGE_MAX = 1_000;
/** Users on one page of a funnel's users unless `limit` says otherwise. */
export const FUNNEL_USERS_PAGE_DEFAULT = 100;
/** Most steps that a question about paths looks away from its anchor. */
export const PATH_DEPTH_MAX = 5;
/** Steps that it looks away unless `depth` says otherwise. */
export const PATH_DEPTH_DEFAULT = 3;
/** Most types that an answer about paths shows after each step. */
export const PATH_BRANCHES_MAX = 50;
/** Types that it shows unless `limit` says otherwise. */
export const PATH_BRANCHES_DEFAULT = 5;
/** Most steps that the tree of such an answer may have. */
export const PATH_NODES_SHOWN_MAX = 5_000;
/** Nodes of a partition's tree of paths; what is deeper is asked for again, below the kept ones. */
export const PATH_NODES_MAX = 65_536;
/** Longest `within_seconds` of a question about paths, seconds: 90 days. */
export const PATH_WITHIN_SECONDS_MAX = 7_776_000;
/** Most events on one page of a user's events. */
export const USER_EVENTS_PAGE_MAX = 1_000;
/** Events on one page of a user's events unless `limit` says otherwise. */
export const USER_EVENTS_PAGE_DEFAULT = 100;
/** Most sessions on one page of a user's sessions. */
export const USER_SESSIONS_PAGE_MAX = 1_000;
/** Sessions on one page of a user's sessions unless `sessions_limit` says otherwise. */
export const USER_SESSIONS_PAGE_DEFAULT = 100;
/** Most sessions of a user in one partition that are merged with those of other partitions. */
export const USER_SESSIONS_MERGED_MAX = 100_000;
/** Most events that a user's attributes are read from, the newest ones. */
export const USER_ATTRIBUTE_EVENTS_MAX = 1_000;
/** The same unless `attribute_events` says otherwise. */
export const USER_ATTRIBUTE_EVENTS_DEFAULT = 100;
/** Most attributes in an answer; those that were set last are given. */
export const USER_ATTRIBUTES_MAX = 1_000;
/** Most users on one page of a search for users. */
export const USERS_PAGE_MAX = 1_000;
/** Users on one page of a search for users unless `limit` says otherwise. */
export const USERS_PAGE_DEFAULT = 100;

// --- Processing ----------------------------------------------------------------------------------

/** Types of one project (per partition) with rollup cells of their own; others share `(other)`. */
export const ROLLUP_TYPES_MAX = 1_000;
/** Values that a shard reads from the log in one go, bytes; bounds how long a question waits. */
export const SHARD_READ_BYTES_MAX = MIB;
/** A partition further behind the log than this commits full batches only, events. */
export const LAG_EVENTS_CATCHING_UP = 20_000;
/** After it pulled something a shard gathers what is appended next for this long, ms. */
export const GATHER_MS = 20;
/** As many waiting events are pulled without gathering. */
export const GATHER_EVENTS_MAX = 1_000;
/**
 * Most rows of one commit while catching up: two row groups of the store. What goes beyond would be
 * a small row group of its own, written again by the next checkpoint: half as large a file again.
 */
export const COMMIT_ROWS = 61_440;
/** Rollup cells in the delta of one commit while catching up; twice as many took 170 MB more. */
export const COMMIT_CELLS = 4_096;
/** After a commit a caught-up partition rests this many times as long as the commit took. */
export const COMMIT_PAUSE_FACTOR = 30;
/** Shortest rest between two commits of a partition, ms. */
export const COMMIT_PAUSE_MS_MIN = 10;
/** How often a worker counts up its heartbeat while its event loop turns, ms. */
export const HEARTBEAT_MS = 500;
/** A worker whose heartbeat stands still for this long has hung, ms. */
export const HANG_MS = 5_000;
/** Longest a question waits for a shard's answer, ms. */
export const QUERY_MS_MAX = 10 * SECOND_MS;
/** Questions that wait for one shard at the same time; more are refused as overloaded. */
export const QUERIES_WAITING_MAX = 1_024;
/** Shards replaced in place within SHARD_FAILURES_WINDOW_MS before the process gives up. */
export const SHARD_FAILURES_MAX = 5;
/** Window in which failures of a shard are counted, ms. */
export const SHARD_FAILURES_WINDOW_MS = MINUTE_MS;
/** How often a shard looks whether a partition's files were given free, ms. */
export const PARTITION_LOCK_POLL_MS = 50;
/** Ring from a shard to the main thread with its progress, bytes; a power of two. */
export const PROGRESS_RING_BYTES = 256 * KIB;
/** Frames of live partials in that ring, bytes: several fit beside each other. */
export const LIVE_RING_BYTES_MAX = 96 * KIB;
/** How often the log is trimmed behind the store, ms. */
export const TRIM_INTERVAL_MS = MINUTE_MS;
/** How often gauges of lag and rate are brought up to date, ms. */
export const GAUGE_REFRESH_MS = SECOND_MS;
/** Memory for rollup cells of all partitions, bytes; older cells are read from the store. */
export const CELL_BYTES_MAX = 64 * MIB;
/** Memory of one shard for the histories of users asked about lately, bytes. */
export const USER_HISTORIES_BYTES_MAX = 32 * MIB;
/** Memory for the sessions of all partitions, bytes. */
export const SESSION_BYTES_MAX = 64 * MIB;
/** Rollup deltas are folded into stored cells after this long, ms ... */
export const CELL_FLUSH_MS = MINUTE_MS;
/** ... or once they have come to this many bytes in a partition. */
export const DELTA_BYTES_MAX = 8 * MIB;

// --- Dead letters --------------------------------------------------------------------------------

/** Longest payload of a dead letter that is kept, bytes; what is longer is cut. */
export const DEAD_LETTER_PAYLOAD_BYTES_MAX = 512 * KIB;
/** Longest message of a dead letter, UTF-16 code units. */
export const DEAD_LETTER_MESSAGE_CHARS_MAX = 1_024;
/** Most dead letters that are kept; the oldest go first. */
export const DEAD_LETTERS_MAX = 500_000;
/** Most bytes of dead letters that are kept, indexes included; the oldest go first. */
export const DEAD_LETTERS_BYTES_MAX = 256 * MIB;
/** Most dead letters on one page, named in one request or replayed by one. */
export const DEAD_LETTERS_PAGE_MAX = 1_000;
/** Dead letters on one page unless `limit` says otherwise. */
export const DEAD_LETTERS_PAGE_DEFAULT = 100;
/** A page of dead letters ends with the letter that brings its payloads to so many bytes. */
export const DEAD_LETTERS_PAGE_BYTES = 4 * MIB;
/** Longest a search of dead letters holds up other work of its thread in one go, ms. */
export const DEAD_LETTERS_SLICE_MS = 5;
/** Longest the file of dead letters is waited for while others write it, ms. */
export const DEAD_LETTERS_BUSY_MS_MAX = 5 * SECOND_MS;

// --- Live partials -------------------------------------------------------------------------------

/** Longest frame of a live partial, bytes; below the 1 MB that a Kafka broker takes as it comes. */
export const LIVE_PARTIAL_BYTES_MAX = 768 * KIB;
/** Frames of live partials can't be made shorter than this, bytes: any one cell fits in it. */
export const LIVE_PARTIAL_BYTES_LEAST = 80 * KIB;
/** How often a partition's rollup changes are published, ms. */
export const LIVE_PUBLISH_MS = SECOND_MS;
/** Longest the end of a shard waits for the publishing of its last partials, ms. */
export const LIVE_END_MS_MAX = SECOND_MS;
/** A partition without changes says that it is there after this long, ms. */
export const LIVE_IDLE_MS = 5 * SECOND_MS;
/** A partition not heard of for this long, or so far behind its log, is told as missing, ms. */
export const LIVE_SILENT_MS = 15 * SECOND_MS;
/** Rollup changes of one partition that wait to be published, bytes. */
export const LIVE_PENDING_BYTES_MAX = 4 * MIB;
/** Longest window of a live answer, seconds. */
export const LIVE_WINDOW_SECONDS_MAX = 3_600;
/** Window of a live answer unless `window_seconds` says otherwise, seconds. */
export const LIVE_WINDOW_SECONDS_DEFAULT = 60;
/** Projects that live answers are kept for. */
export const LIVE_PROJECTS_MAX = 200;
/** Types of all projects that are counted live one by one; others share `(other)`. */
export const LIVE_TYPES_MAX = 2_000;
/** Types that a live answer lists one by one; the smaller ones after these are `(other)`. */
export const LIVE_TYPES_SHOWN_MAX = 100;
/** Memory for the users of the last hour, bytes; beyond it the oldest users by type go first. */
export const LIVE_USERS_BYTES_MAX = 48 * MIB;
/** Stretches of offsets of one partition between which something is missing that are told apart. */
export const LIVE_STRETCHES_MAX = 256;

// --- Live streams --------------------------------------------------------------------------------

/** Live streams that are open at the same time in one process, event tails included. */
export const LIVE_STREAMS_MAX = 1_000;
/** Different filters, tops and tails that shards watch for at the same time. */
export const LIVE_DEFINITIONS_MAX = 32;
/** Of these, those that count the values of a property. */
export const LIVE_TOP_DEFINITIONS_MAX = 8;
/** Different windows of live streams that are made every second. */
export const LIVE_VIEWS_MAX = 128;
/** A frame waits at most this long after its second's end for shards that have not told, ms. */
export const LIVE_LATE_MS_MAX = 150;
/** What nobody reads any more is kept for this long, so that a reader can come back, ms. */
export const LIVE_LINGER_MS = MINUTE_MS;
/** Frames of a stream that are kept to be replayed ... */
export const LIVE_REPLAY_FRAMES_MAX = 60;
/** ... as long as they are together no longer than this, characters. */
export const LIVE_REPLAY_CHARS_MAX = 512 * KIB;
/** A reader that is this many frames behind skips to the newest one. */
export const LIVE_BEHIND_FRAMES_MAX = 5;
/** Bytes that wait in a WebSocket from which on its reader counts as slow. */
export const LIVE_SOCKET_BYTES_MAX = 256 * KIB;
/** How often a WebSocket with so much waiting is looked at, ms. */
export const LIVE_SOCKET_POLL_MS = 50;
/** Types of one definition that are counted live one by one; others share `(other)`. */
export const LIVE_STREAM_TYPES_MAX = 100;
/** Values of a property that are told apart in one sketch; see lib/sketch/top_values.ts. */
export const LIVE_TOP_COUNTERS = 200;
/** Longest value of a property that is told apart, UTF-16 code units; longer ones are cut. */
export const LIVE_TOP_VALUE_CHARS_MAX = 128;
/** Values of one second and shard, bytes; the smallest of more are left out and accounted for. */
export const LIVE_TOP_BYTES_MAX = 32 * KIB;
/** Values that a stream lists unless `top_limit` says otherwise. */
export const LIVE_TOP_DEFAULT = 10;
/** Most values that a stream lists. */
export const LIVE_TOP_MAX = 100;
/** What shards had not published yet when a stream began is fetched up to so many bytes a shard. */
export const LIVE_SEED_BYTES_MAX = 96 * KIB;
/** How often a shard passes sampled events on, ms. */
export const LIVE_TAIL_MS = 200;
/** Sampled events of one tail that wait in a shard, bytes; more are dropped and counted. */
export const LIVE_TAIL_BYTES_MAX = 64 * KIB;
/** Events a second of one tail unless `max_per_second` says otherwise. */
export const LIVE_TAIL_PER_SECOND_DEFAULT = 100;
/** Most events a second of one tail. */
export const LIVE_TAIL_PER_SECOND_MAX = 1_000;
/** Newest events of a tail that are kept for its readers, by number ... */
export const LIVE_TAIL_KEPT_MAX = 2_000;
/** ... and by their length, characters. */
export const LIVE_TAIL_KEPT_CHARS_MAX = MIB;
/** Most characters of events that a tail's reader is given in one go. */
export const LIVE_TAIL_CHUNK_CHARS = 64 * KIB;

// --- Import --------------------------------------------------------------------------------------

/** Longest line that the load generator writes, bytes. */
export const GENERATED_LINE_BYTES_MAX = 512;
/** Events in one request of an import unless `--batch` says otherwise. */
export const IMPORT_BATCH_DEFAULT = 5_000;
/** Most bytes of events in one request of an import; a longer batch is sent in parts. */
export const IMPORT_BATCH_BYTES_MAX = 4 * MIB;
/** Longest row of an imported file, bytes; a longer one means a quote that is never closed. */
export const IMPORT_ROW_BYTES_MAX = MIB;
/** Unpacked bytes at the beginning of an imported file that must hold the CSV header. */
export const IMPORT_HEAD_BYTES = 64 * KIB;
/** Unpacked bytes at the beginning of an imported file by which it is known again. */
export const IMPORT_FINGERPRINT_BYTES = 4 * KIB;
/** Attempts to send one batch before an import gives up. */
export const IMPORT_ATTEMPTS_MAX = 12;
/** Upper bound of the first wait between two attempts, ms; it doubles from attempt to attempt. */
export const IMPORT_RETRY_MS_FIRST = 200;
/** Longest wait between two attempts, ms; also the longest `Retry-After` that is followed. */
export const IMPORT_RETRY_MS_MAX = 30 * SECOND_MS;
/** Longest an import waits for the answer to one request, ms. */
export const IMPORT_REQUEST_MS_MAX = MINUTE_MS;
/** Longest an interrupted import waits for the answer to a request under way, ms. */
export const IMPORT_STOP_MS_MAX = 5 * SECOND_MS;
/** Time between two saves of an import's progress, ms. */
export const IMPORT_CHECKPOINT_MS = SECOND_MS;
