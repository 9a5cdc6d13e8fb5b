/** Paths from the rows of one partition: rows by user, as sequences, walked into a tree. */

import { PATH_NODES_MAX } from "../config/limits.ts";
import { PathTrie, TooManyNodes } from "../query/paths/path_trie.ts";
import type { PathNodes, PathsPartial, PathsQuestion } from "../query/paths/paths.ts";
import { walkPaths } from "../query/paths/walk_paths.ts";
import type { PartitionStore } from "../store/event_store.ts";
import { pathSequences } from "./path_sequences.ts";
import { TooManyRows } from "./too_many_rows.ts";
import { userRows } from "./user_rows.ts";

/** One partition's tree. Rejects as `answerRows` does. */
export async function answerPaths(
  question: PathsQuestion,
  store: PartitionStore,
  signal: AbortSignal,
  nodesMax = PATH_NODES_MAX,
): Promise<PathsPartial> {
  const { project, fromMs, toMs, filter, anchor, scope, collapseRepeats, kept } = question;
  const types = [...kept?.types ?? []];
  const trie = new PathTrie(question.depth, nodesMax, kept, question.keptDepth);
  const bySession = scope === "session";
  const query = {
    project,
    fromMs,
    toMs,
    filter,
    matches: [anchor],
    keepsUnmatched: true,
    columns: bySession ? ["series", "session_hash"] as const : ["series"] as const,
  };
  const numbers = new Map(types.map((type, number) => [type, number]));
  /** Numbers of types by series. */
  const known: number[] = [];
  const numberOf = (type: string): number => {
    const number = numbers.get(type);
    if (number !== undefined) return number;
    numbers.set(type, types.length);
    return types.push(type) - 1;
  };
  let firstUser = 1;
  try {
    for await (const rows of userRows(store, query, signal)) {
      const typeOf = (series: number) => known[series] ??= numberOf(rows.types.get(series)!);
      const options = { bySession, collapseRepeats, typeOf, firstUser };
      walkPaths(pathSequences(rows, options), question, trie);
      firstUser += rows.toUser - rows.fromUser;
    }
  } catch (error) {
    if (error instanceof TooManyRows) return troubled("rows");
    if (error instanceof TooManyNodes) return troubled("nodes");
    throw error;
  }
  return { trouble: null, depth: trie.depth, types, ...trie.nodes() };
}

/** No tree, and why. */
function troubled(trouble: PathsPartial["trouble"]): PathsPartial {
  const nodes: PathNodes = { types: [], parent: new Int32Array(0), type: new Int32Array(0) };
  const none = new Int32Array(0);
  return { trouble, depth: 0, ...nodes, occurrences: none, ended: none, users: none };
}
