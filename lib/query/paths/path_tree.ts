/**
 * Trees of several partitions as one, and of it what is shown: below each node the most common ones,
 * and the rest together.
 */

import { OTHER_TYPE, PathTrie } from "./path_trie.ts";
import type { PathNodes, PathsPartial } from "./paths.ts";

/** A node as it is shown. */
export interface PathNode {
  /** "" = the anchor. */
  readonly type: string;
  readonly occurrences: number;
  readonly users: number;
  /** Occurrences whose path goes no further. */
  readonly ended: number;
  /** Types that are not shown, and the occurrences that went on to one of them. */
  readonly other: { readonly types: number; readonly occurrences: number };
  /** Most occurrences first, then by type. */
  readonly steps: readonly PathNode[];
}

/** The trees together: node numbers are those of `nodes`. */
export interface PathsSum {
  readonly types: readonly string[];
  /** Steps from the anchor up to which everything is counted. */
  readonly depth: number;
  readonly trie: PathTrie;
}

/** Nodes that are added without a pause: about a millisecond of work. */
const MERGED_AT_ONCE = 8_192;

/** Adds up the trees as deep as all of them are counted. None of them may be in trouble. */
export function mergePaths(partials: readonly PathsPartial[], depth: number): PathsSum {
  const steps = mergePathsInSteps(partials, depth);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same, pausing again and again: hundreds of thousands of nodes would hold up a thread. */
export function* mergePathsInSteps(
  partials: readonly PathsPartial[],
  depth: number,
): Generator<void, PathsSum> {
  const whole = Math.min(depth, ...partials.map((partial) => partial.depth));
  const types: string[] = [];
  const numbers = new Map<string, number>();
  const trie = new PathTrie(depth, Infinity);
  for (const partial of partials) {
    const typeOf = partial.types.map((type) => {
      if (!numbers.has(type)) numbers.set(type, types.push(type) - 1);
      return numbers.get(type)!;
    });
    const { parent, type, occurrences, ended, users } = partial;
    const level = new Uint8Array(parent.length);
    const nodes = new Int32Array(parent.length);
    for (let i = 0; i < parent.length; i++) {
      if (i % MERGED_AT_ONCE === MERGED_AT_ONCE - 1) yield;
      if (i > 0) {
        level[i] = level[parent[i]] + 1;
        if (level[i] > whole) continue;
        const number = type[i] === OTHER_TYPE ? OTHER_TYPE : typeOf[type[i]];
        nodes[i] = trie.child(nodes[parent[i]], number);
      }
      trie.add(nodes[i], occurrences[i], ended[i], users[i]);
    }
  }
  return { types, depth: whole, trie };
}

/** What was left out of the tree that a question kept, by the path to the node. */
export type TypesLeftOut = ReadonlyMap<string, number>;

/** The `branches` most common nodes below each one. */
export function shownPaths(
  { types, trie }: PathsSum,
  branches: number,
  leftOut: TypesLeftOut,
): PathNode {
  const nodes = trie.nodes();
  const childrenOf = childLists(nodes.parent);
  const shown = (node: number, type: string, path: string): PathNode => {
    const children = childrenOf(node);
    const named = children.filter((child) => nodes.type[child] !== OTHER_TYPE)
      .map((child) => ({ child, name: types[nodes.type[child]] }))
      .filter(({ child }) => nodes.occurrences[child] > 0)
      .sort((a, b) =>
        nodes.occurrences[b.child] - nodes.occurrences[a.child] || (a.name < b.name ? -1 : 1)
      );
    const closed = children.find((child) => nodes.type[child] === OTHER_TYPE);
    const rest = named.slice(branches);
    const kept = named.slice(0, branches);
    return {
      type,
      occurrences: nodes.occurrences[node],
      users: nodes.users[node],
      ended: nodes.ended[node],
      other: {
        types: rest.length + (leftOut.get(path) ?? 0),
        occurrences: rest.reduce(
          (sum, { child }) => sum + nodes.occurrences[child],
          closed === undefined ? 0 : nodes.occurrences[closed],
        ),
      },
      steps: kept.map(({ child, name }) => shown(child, name, pathTo(path, name))),
    };
  };
  return shown(0, "", "");
}

/** Children by parent, as chains: most nodes are never shown, and need no list of their own. */
function childLists(parent: Int32Array): (node: number) => number[] {
  const first = new Int32Array(parent.length);
  const next = new Int32Array(parent.length);
  for (let node = parent.length - 1; node > 0; node--) {
    next[node] = first[parent[node]];
    first[parent[node]] = node;
  }
  return (node) => {
    const children: number[] = [];
    for (let child = first[node]; child !== 0; child = next[child]) children.push(child);
    return children;
  };
}

/** The shown tree as a question keeps it, and what it leaves out. */
export function keptPaths(root: PathNode): { nodes: PathNodes; leftOut: TypesLeftOut } {
  const types = new Map<string, number>();
  const leftOut = new Map<string, number>();
  const parent = [-1];
  const type = [OTHER_TYPE];
  const keep = (node: PathNode, number: number, path: string) => {
    leftOut.set(path, node.other.types);
    for (const step of node.steps) {
      if (!types.has(step.type)) types.set(step.type, types.size);
      const at = parent.push(number) - 1;
      type.push(types.get(step.type)!);
      keep(step, at, pathTo(path, step.type));
    }
  };
  keep(root, 0, "");
  const nodes = {
    types: [...types.keys()],
    parent: Int32Array.from(parent),
    type: Int32Array.from(type),
  };
  return { nodes, leftOut };
}

/** A text that no other path has. */
function pathTo(path: string, type: string): string {
  return `${path}${JSON.stringify(type)}`;
}
