/**
 * Sequences of events for paths, made of rows grouped by user: a user's events, or those of each of
 * the user's sessions, in order of time; repeats as one where that is asked.
 */

import type { PathSequences } from "../query/paths/walk_paths.ts";
import { DenseIds } from "./dense_ids.ts";
import type { UserRows } from "./user_rows.ts";

/** How sequences are made. */
export interface SequenceOptions {
  readonly bySession: boolean;
  readonly collapseRepeats: boolean;
  /** The number of a series' type. */
  readonly typeOf: (series: number) => number;
  /** The number of the piece's first user, above 0. */
  readonly firstUser: number;
}

/** Odd, so that no two users of a piece mix alike. */
const MIX = 0x9e37_79b1;

/** The sequences of a piece; bit 0 of `match` is that of anchors. */
export function pathSequences(rows: UserRows, options: SequenceOptions): PathSequences {
  const first = rows.userStart[rows.fromUser];
  const end = rows.userStart[rows.toUser];
  const sequenceOf = new Int32Array(end - first);
  const users: number[] = [];
  numberSequences(rows, options, sequenceOf, users);
  const order = inOrderOf(sequenceOf, users.length);
  const starts = new Int32Array(users.length + 1);
  const type = new Int32Array(order.length);
  const timestampMs = new Float64Array(order.length);
  const isAnchor = new Uint8Array(order.length);
  let events = 0;
  let sequence = -1;
  for (const place of order) {
    const row = first + place;
    const own = options.typeOf(rows.series![row]);
    const anchor = rows.match[row] & 1;
    if (sequenceOf[place] !== sequence) {
      sequence = sequenceOf[place];
      starts[sequence] = events;
    } else if (options.collapseRepeats && type[events - 1] === own) {
      isAnchor[events - 1] |= anchor;
      continue;
    }
    type[events] = own;
    timestampMs[events] = rows.timestampMs[row];
    isAnchor[events] = anchor;
    events++;
  }
  starts[users.length] = events;
  const user = Int32Array.from(users);
  return { count: users.length, starts, user, type, timestampMs, isAnchor };
}

/** Gives each row the number of its sequence; `users` gets the user of each sequence. */
function numberSequences(
  rows: UserRows,
  { bySession, firstUser }: SequenceOptions,
  sequenceOf: Int32Array,
  users: number[],
): void {
  const { fromUser, toUser, userStart, sessionHash } = rows;
  const first = userStart[fromUser];
  const sessions = new DenseIds();
  for (let user = fromUser; user < toUser; user++) {
    const number = firstUser + user - fromUser;
    for (let row = userStart[user]; row < userStart[user + 1]; row++) {
      // Clients may name sessions alike: a session is one user's.
      const sequence = bySession
        ? sessions.idOf(sessionHash![2 * row] ^ Math.imul(number, MIX), sessionHash![2 * row + 1])
        : user - fromUser;
      sequenceOf[row - first] = sequence;
      if (sequence === users.length) users.push(number);
    }
  }
}

/** Places in order of their sequence, and of their own within one. */
function inOrderOf(sequenceOf: Int32Array, sequences: number): Int32Array {
  const next = new Int32Array(sequences + 1);
  for (const sequence of sequenceOf) next[sequence + 1]++;
  for (let i = 0; i < sequences; i++) next[i + 1] += next[i];
  const order = new Int32Array(sequenceOf.length);
  sequenceOf.forEach((sequence, place) => order[next[sequence]++] = place);
  return order;
}
