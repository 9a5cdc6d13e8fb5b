/**
 * What a tidy rule reports: where, what is wrong, and how to mend it.
 *
 * A rule is a function from text (or a graph) to findings, so that its own test can show it a bad
 * sample; the tree's test then asks that the whole repository gives none.
 */
import assert from "node:assert/strict";

/** One breach of a rule. */
export interface Finding {
  /** Path from the repository's root, with forward slashes. */
  readonly path: string;
  /** Line, from 1. */
  readonly line: number;
  /** What is wrong there. */
  readonly what: string;
  /** What to do about it. */
  readonly mend: string;
}

/** Fails with one line a finding, `path:line what (mend)`. */
export function assertNoFindings(findings: readonly Finding[]): void {
  const lines = findings.map(({ path, line, what, mend }) => `${path}:${line} ${what} (${mend})`);
  assert.ok(lines.length === 0, `${lines.length} to mend:\n  ${lines.join("\n  ")}`);
}

/** Line, from 1, of the character at `index` of `text`. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) {
    line++;
  }
  return line;
}

/** A finding for every match of a global pattern. */
export function findAll(
  path: string,
  text: string,
  pattern: RegExp,
  what: (match: RegExpExecArray) => string,
  mend: string,
): Finding[] {
  return [...text.matchAll(pattern)].map((match) => ({
    path,
    line: lineAt(text, match.index),
    what: what(match as RegExpExecArray),
    mend,
  }));
}
