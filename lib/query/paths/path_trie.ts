/**
 * A tree of paths that is counted into: nodes are rows of typed arrays, children are found by a hash
 * of (parent, type), so that a step of a path costs a look-up and no object.
 *
 * It has at most so many nodes. When one more does not fit, the deepest level goes, whole: what is
 * left is exact, only less deep.
 */

import type { PathNodes } from "./paths.ts";

const NODES_FIRST = 1_024;
/** Type of the node that stands for all types without one. */
export const OTHER_TYPE = -1;
/** No node: the path is not counted any further. */
export const NO_NODE = -1;

/** The first new level does not fit. */
export class TooManyNodes extends Error {
  constructor() {
    super("too many nodes");
    this.name = "TooManyNodes";
  }
}

export class PathTrie {
  readonly #nodesMax: number;
  /** Levels below this may not go. */
  readonly #keptDepth: number;
  #depth: number;
  #count = 1;
  #parent = new Int32Array(NODES_FIRST);
  #type = new Int32Array(NODES_FIRST);
  #level = new Uint8Array(NODES_FIRST);
  #occurrences = new Int32Array(NODES_FIRST);
  #ended = new Int32Array(NODES_FIRST);
  #users = new Int32Array(NODES_FIRST);
  /** The last user counted, 0 = none yet. */
  #lastUser = new Int32Array(NODES_FIRST);
  /** Nodes by hash, 0 = free (node 0 is nobody's child); at most half full. */
  #slots = new Int32Array(2 * NODES_FIRST);

  /**
   * @param depth levels below node 0
   * @param kept the tree that the upper `keptDepth` levels are; its types are numbers of the caller
   */
  constructor(depth: number, nodesMax: number, kept: PathNodes | null = null, keptDepth = 0) {
    this.#depth = depth;
    this.#nodesMax = nodesMax;
    this.#keptDepth = keptDepth;
    this.#parent[0] = -1;
    this.#type[0] = OTHER_TYPE;
    if (kept === null) return;
    for (let node = 1; node < kept.parent.length; node++) {
      this.#add(kept.parent[node], kept.type[node]);
    }
    const closed = this.#count;
    for (let node = 0; node < closed; node++) {
      if (this.#level[node] >= keptDepth || (node > 0 && this.#type[node] === OTHER_TYPE)) continue;
      if (this.#find(node, OTHER_TYPE) === 0) this.#add(node, OTHER_TYPE);
    }
  }

  /** Levels below node 0 that are counted whole. */
  get depth(): number {
    return this.#depth;
  }

  /** Whether the children of a node are counted. */
  hasChildren(node: number): boolean {
    const isOther = node > 0 && this.#type[node] === OTHER_TYPE;
    return this.#level[node] < this.#depth && !isOther;
  }

  /** An occurrence came to this node. `user` is above 0, and users come one after another. */
  visit(node: number, user: number): void {
    this.#occurrences[node]++;
    if (this.#lastUser[node] === user) return;
    this.#lastUser[node] = user;
    this.#users[node]++;
  }

  /** The last occurrence that came here goes no further. */
  end(node: number): void {
    this.#ended[node]++;
  }

  /**
   * The child of a node that has children; NO_NODE when their level had to go. Numbers of nodes may
   * be others after this. Throws TooManyNodes.
   */
  child(node: number, type: number): number {
    const found = this.#find(node, type);
    if (found !== 0) return found;
    if (this.#level[node] < this.#keptDepth) return this.#find(node, OTHER_TYPE);
    let parent = node;
    while (this.#count >= this.#nodesMax) {
      if (this.#depth - 1 <= this.#keptDepth) throw new TooManyNodes();
      parent = this.#dropDeepest(parent);
      if (!this.hasChildren(parent)) return NO_NODE;
    }
    return this.#add(parent, type);
  }

  /** All nodes. */
  nodes() {
    const count = this.#count;
    return {
      parent: this.#parent.slice(0, count),
      type: this.#type.slice(0, count),
      occurrences: this.#occurrences.slice(0, count),
      ended: this.#ended.slice(0, count),
      users: this.#users.slice(0, count),
    };
  }

  /** Adds what was counted elsewhere, of other users. */
  add(node: number, occurrences: number, ended: number, users: number): void {
    this.#occurrences[node] += occurrences;
    this.#ended[node] += ended;
    this.#users[node] += users;
  }

  #find(parent: number, type: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashOf(parent, type) & mask;; slot = (slot + 1) & mask) {
      const node = slots[slot];
      if (node === 0 || (this.#parent[node] === parent && this.#type[node] === type)) return node;
    }
  }

  #add(parent: number, type: number): number {
    if (this.#count === this.#parent.length) this.#grow();
    const node = this.#count++;
    this.#parent[node] = parent;
    this.#type[node] = type;
    this.#level[node] = this.#level[parent] + 1;
    this.#occurrences[node] =
      this.#ended[node] =
      this.#users[node] =
      this.#lastUser[node] =
        0;
    this.#take(node);
    return node;
  }

  #take(node: number): void {
    const mask = this.#slots.length - 1;
    let slot = hashOf(this.#parent[node], this.#type[node]) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = node;
  }

  /** Removes the deepest level; gives the new number of `node`, or of its parent where it goes. */
  #dropDeepest(node: number): number {
    const now = new Int32Array(this.#count);
    let count = 0;
    this.#depth--;
    this.#slots.fill(0);
    for (let old = 0; old < this.#count; old++) {
      if (this.#level[old] > this.#depth) {
        now[old] = now[this.#parent[old]];
        continue;
      }
      const to = now[old] = count++;
      this.#parent[to] = old === 0 ? -1 : now[this.#parent[old]];
      this.#type[to] = this.#type[old];
      this.#level[to] = this.#level[old];
      this.#occurrences[to] = this.#occurrences[old];
      this.#ended[to] = this.#ended[old];
      this.#users[to] = this.#users[old];
      this.#lastUser[to] = this.#lastUser[old];
      if (to > 0) this.#take(to);
    }
    this.#count = count;
    return now[node];
  }

  #grow(): void {
    const larger = (from: Int32Array) => {
      const to = new Int32Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.#parent = larger(this.#parent);
    this.#type = larger(this.#type);
    this.#occurrences = larger(this.#occurrences);
    this.#ended = larger(this.#ended);
    this.#users = larger(this.#users);
    this.#lastUser = larger(this.#lastUser);
    const level = new Uint8Array(this.#parent.length);
    level.set(this.#level);
    this.#level = level;
    this.#slots = new Int32Array(2 * this.#parent.length);
    for (let node = 1; node < this.#count; node++) this.#take(node);
  }
}

function hashOf(parent: number, type: number): number {
  const mixed = Math.imul(Math.imul(parent, 0x9e37_79b1) ^ (type + 1), 0x85eb_ca6b);
  return mixed ^ (mixed >>> 15);
}
