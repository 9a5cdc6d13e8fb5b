/** The search for users: the question, and what a partition knows of each user it finds. */

/** Users of a project whose ids begin with `prefix` and come after `after`, by their UTF-8 bytes. */
export interface UserSearch {
  readonly project: string;
  /** "" = all. */
  readonly prefix: string;
  /** null = from the first on. */
  readonly after: string | null;
  readonly limit: number;
}

/** One user that a search has found, as one partition knows it. */
export interface FoundUser {
  readonly userId: string;
  readonly events: number;
  /** Ms since the epoch. */
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}
