/**
 * The rules that hold the documents to the truth: links lead somewhere, `make` targets exist, every
 * package has its reason in docs/DEPENDENCIES.md.
 */
import { posix } from "node:path";
import { findAll, type Finding, lineAt } from "./finding.ts";
import type { SourceFile } from "./source_tree.ts";

/** Links of a Markdown file to a file or heading of the repository that is not there. */
export function brokenLinks(
  { path, text }: SourceFile,
  readTarget: (path: string) => string | null,
): Finding[] {
  if (!path.endsWith(".md")) return [];
  const link = /\[[^\]]*\]\(([^)\s]+)\)/g;
  return [...withoutCode(text).matchAll(link)].flatMap((match) => {
    const [target, anchor] = match[1].split("#");
    if (/^[a-z]+:/.test(match[1])) return [];
    const found = target === "" ? text : readTarget(posix.join(posix.dirname(path), target));
    const isThere = found !== null && (anchor === undefined || anchorsOf(found).has(anchor));
    const finding = {
      path,
      line: lineAt(text, match.index),
      what: `the link ${match[1]} leads nowhere`,
      mend: "name a file or heading that exists",
    };
    return isThere ? [] : [finding];
  });
}

/** `make NAME` in code of a Markdown file, where the Makefile has no such target. */
export function unknownTargets(
  { path, text }: SourceFile,
  targets: ReadonlySet<string>,
): Finding[] {
  if (!path.endsWith(".md")) return [];
  // In a span of code, or at the start of a line of a block, perhaps after a prompt.
  const call = /(?:`|^[ \t]*(?:\$ )?|&& )(?:\w+=\S+ )*make ([a-z][a-z0-9-]*)/gm;
  return findAll(
    path,
    onlyCode(text),
    call,
    ([, name]) => targets.has(name) ? "" : `\`make ${name}\` does not exist`,
    "name a target that `make help` lists",
  ).filter((finding) => finding.what !== "");
}

/** The targets of a Makefile that are explained by a `## ` comment, as `make help` lists them. */
export function makeTargets(makefile: string): Set<string> {
  return new Set([...makefile.matchAll(/^([a-z][a-z0-9-]*):.*?## \S/gm)].map((match) => match[1]));
}

/** A `deno task` as deno.json has it. */
export interface Task {
  readonly description?: string;
  readonly command?: string;
}

/**
 * Where `deno task` and `make help` do not list the same: each task runs the target of its name, so
 * that what a target does is written once.
 */
export function unequalTasks(tasks: Readonly<Record<string, Task>>, makefile: string): Finding[] {
  const explained = [...makefile.matchAll(/^([a-z][a-z0-9-]*):.*?## (\S.*)$/gm)];
  const targets = new Map(explained.map(([, name, description]) => [name, description]));
  return [...new Set([...targets.keys(), ...Object.keys(tasks)])].flatMap((name) => {
    const { description, command } = tasks[name] ?? {};
    const isEqual = targets.has(name) && description === targets.get(name);
    if (isEqual && command === `make ${name}`) return [];
    const mend = `in tasks of deno.json and in the Makefile have ${name} with one description; ` +
      `its command is \`make ${name}\``;
    return [{ path: "deno.json", line: 1, what: `the task ${name} is not its make target`, mend }];
  });
}

/** Targets that `make help` would not list. */
export function unexplainedTargets({ path, text }: SourceFile): Finding[] {
  const explained = makeTargets(text);
  return findAll(
    path,
    text,
    /^([a-z][a-z0-9-]*):(?!=)/gm,
    ([, name]) => explained.has(name) ? "" : `the target ${name} has no explanation`,
    "write `## what it does` after its prerequisites",
  ).filter((finding) => finding.what !== "");
}

/** Packages of deno.json without their line in docs/DEPENDENCIES.md, and lines without a package. */
export function undocumentedPackages(
  packages: readonly string[],
  document: SourceFile,
): Finding[] {
  const rows = [...document.text.matchAll(/^\| *`([^`]+)`/gm)];
  const documented = new Set(rows.map((row) => row[1]));
  const missing = packages.filter((name) => !documented.has(name)).map((name) => ({
    path: document.path,
    line: 1,
    what: `says nothing of ${name}`,
    mend: "add a row that begins with its name in code: what for, licence, what else was weighed",
  }));
  const stale = rows.filter((row) => !packages.includes(row[1])).map((row) => ({
    path: document.path,
    line: lineAt(document.text, row.index),
    what: `${row[1]} is not in deno.json`,
    mend: "remove the row",
  }));
  return [...missing, ...stale];
}

/** Anchors that a Markdown file's headings make, as GitHub spells them. */
function anchorsOf(text: string): Set<string> {
  const headings = withoutCode(text).matchAll(/^#{1,6} +(.+?) *$/gm);
  return new Set(
    [...headings].map(([, title]) =>
      title.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-")
    ),
  );
}

const fencedBlock = /^[ \t]*```[\s\S]*?^[ \t]*```/gm;
const blank = (text: string) => text.replace(/[^\n]/g, " ");

/** The text with its code blocks blanked out; positions stay. */
function withoutCode(text: string): string {
  return text.replace(fencedBlock, blank);
}

/** The text with everything but code blocks and code spans blanked out; positions stay. */
function onlyCode(text: string): string {
  let kept = "";
  let at = 0;
  for (const match of text.matchAll(/^[ \t]*```[\s\S]*?^[ \t]*```|`[^`\n]+`/gm)) {
    kept += blank(text.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  return kept + blank(text.slice(at));
}
