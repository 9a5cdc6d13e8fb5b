/**
 * The rules that a file's text and path are enough for: length, names, headers, unfinished work,
 * what must not be written into a repository, exports by name, limits that nothing uses.
 */
import { posix } from "node:path";
import { findAll, type Finding } from "./finding.ts";
import { isTestFile, isTypeScript, type SourceFile } from "./source_tree.ts";

/** A source file has at most this many lines. */
export const FILE_LINES_MAX = 500;

const vagueNames = /(^|_)(utils?|helpers?|managers?|misc|common)(_|$)/;
const snakeCase = /^[a-z0-9]+(_[a-z0-9]+)*$/;

// Spelt in parts, so that this file does not breach its own rules.
const unfinished = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`, "g");
const machinePath = /(?<![\w.~-])\/(?:home|Users|root|work|tmp)\/[\w.-]+/g;
const registryHosts = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["pypi", "org"],
  ["files", "pythonhosted", "org"],
  ["crates", "io"],
  ["proxy", "golang", "org"],
  ["repo", "maven", "apache", "org"],
  ["deb", "debian", "org"],
  ["jsr", "io"],
].map((labels) => labels.join("."));
const registryHost = new RegExp(
  `\\b(?:${registryHosts.map((host) => host.replaceAll(".", "\\.")).join("|")})\\b`,
  "g",
);

/** Files that are too long to be read at once. */
export function tooLong({ path, text }: SourceFile): Finding[] {
  if (!isTypeScript(path)) return [];
  const lines = text.split("\n").length - 1;
  if (lines <= FILE_LINES_MAX) return [];
  const mend = `split it by what it does; at most ${FILE_LINES_MAX} lines`;
  return [{ path, line: FILE_LINES_MAX + 1, what: `the file has ${lines} lines`, mend }];
}

/** File and folder names that are not snake_case, or say nothing. */
export function badName({ path }: SourceFile): Finding[] {
  if (!isTypeScript(path)) return [];
  const names = path.replace(/\.tsx?$/, "").split("/");
  const at = { path, line: 1 };
  return names.flatMap((name) => {
    // "pure.deno" and "scan.d" are a name and a kind.
    if (!name.split(".").every((part) => snakeCase.test(part))) {
      return [{ ...at, what: `"${name}" is not snake_case`, mend: "rename it" }];
    }
    if (!vagueNames.test(name)) return [];
    return [{ ...at, what: `"${name}" says nothing`, mend: "name it for its main export" }];
  });
}

/** Files of the product that do not begin by saying what they are. */
export function noHeader({ path, text }: SourceFile): Finding[] {
  const isProduct = /^(lib|services|workers)\//.test(path) && !isTestFile(path);
  if (!isTypeScript(path) || !isProduct) return [];
  const header = /^(?:#![^\n]*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? "";
  if (/\w/.test(header)) return [];
  const mend = "begin with a comment: what the file is, and why";
  return [{ path, line: 1, what: "no header comment", mend }];
}

/** Notes of unfinished work. */
export function unfinishedWork({ path, text }: SourceFile): Finding[] {
  const mend = "do it now, or file an issue";
  return findAll(path, text, unfinished, (match) => `"${match[0]}"`, mend);
}

/** Paths of one machine and hosts of package registries. */
export function foreignPlaces({ path, text }: SourceFile): Finding[] {
  const say = (match: RegExpExecArray) => `names "${match[0]}"`;
  return [
    ...findAll(
      path,
      text,
      machinePath,
      say,
      "use a path relative to the repository, or a temp dir",
    ),
    ...findAll(path, text, registryHost, say, "name the package, not the place it comes from"),
  ];
}

/** Star exports in mod.ts: what a folder offers is a list that can be read. */
export function starExports({ path, text }: SourceFile): Finding[] {
  if (posix.basename(path) !== "mod.ts") return [];
  const mend = "name the exports one by one";
  return findAll(path, text, /^export \*/gm, () => "exports everything", mend);
}

/** Limits that nothing outside their file and the tests uses: a limit that limits nothing. */
export function unusedLimits(files: readonly SourceFile[]): Finding[] {
  return files.filter((file) => /^lib\/config\/(\w+_)?limits\.ts$/.test(file.path))
    .flatMap((limits) => unusedLimitsOf(limits, files));
}

function unusedLimitsOf(limits: SourceFile, files: readonly SourceFile[]): Finding[] {
  const users = files.filter((file) =>
    isTypeScript(file.path) && file !== limits && !isTestFile(file.path)
  );
  const used = new Set(users.flatMap((file) => file.text.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []));
  // One limit may be made from another.
  const body = limits.text.replace(/^export const \w+/gm, "");
  for (const name of body.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []) used.add(name);
  const mend = "use it where it should hold, or remove it";
  return findAll(
    limits.path,
    limits.text,
    /^export const (\w+)/gm,
    ([, name]) => used.has(name) ? "" : `${name} limits nothing`,
    mend,
  ).filter((finding) => finding.what !== "");
}
