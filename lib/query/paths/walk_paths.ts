/** Walks over sequences of events and counts the paths in them. */

import { NO_NODE, type PathTrie } from "./path_trie.ts";
import type { PathsQuestion } from "./paths.ts";

/** Events that follow one another, sequence by sequence; those of one user stand together. */
export interface PathSequences {
  readonly count: number;
  /** By sequence: its events are those from starts[i] up to starts[i + 1]. */
  readonly starts: Int32Array;
  /** By sequence: a number of its user, above 0. */
  readonly user: Int32Array;
  /** By event. */
  readonly type: Int32Array;
  /** By event: ms since the epoch. */
  readonly timestampMs: Float64Array;
  /** By event: 1 = begins an occurrence. */
  readonly isAnchor: Uint8Array;
}

/** Counts all occurrences of the sequences. Throws TooManyNodes. */
export function walkPaths(
  sequences: PathSequences,
  question: Pick<PathsQuestion, "direction" | "withinMs">,
  trie: PathTrie,
): void {
  const { count, starts, user, type, timestampMs, isAnchor } = sequences;
  const step = question.direction === "next" ? 1 : -1;
  const withinMs = question.withinMs ?? Infinity;
  for (let sequence = 0; sequence < count; sequence++) {
    const first = starts[sequence];
    const end = starts[sequence + 1];
    const whose = user[sequence];
    for (let anchor = first; anchor < end; anchor++) {
      if (isAnchor[anchor] === 0) continue;
      let node = 0;
      let at = anchor;
      for (;;) {
        trie.visit(node, whose);
        at += step;
        const isThere = at >= first && at < end &&
          Math.abs(timestampMs[at] - timestampMs[anchor]) <= withinMs;
        if (!isThere) {
          trie.end(node);
          break;
        }
        if (!trie.hasChildren(node)) break;
        node = trie.child(node, type[at]);
        if (node === NO_NODE) break;
      }
    }
  }
}
