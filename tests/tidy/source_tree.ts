/**
 * The files that belong to the repository, as the tidy rules see them.
 *
 * The tree is walked instead of asking git, because the gate must also run where only the files are
 * (a container, an unpacked archive). What is skipped is what .gitignore names.
 */
import { fileURLToPath } from "node:url";

/** The repository's root, without a slash at its end. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** One text file. */
export interface SourceFile {
  /** Path from the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const skippedFolders = new Set(["node_modules", "data", ".git", ".cache", "coverage"]);
const textNames =
  /(\.(ts|tsx|js|mjs|json|md|sh|proto|yaml|yml|css|html|txt|toml|lock)|(^|\/)(Makefile|LICENSE|Dockerfile|run|\.gitignore))$/;

/** Every text file of the repository, in order of path. */
export function sourceTree(): SourceFile[] {
  const files: SourceFile[] = [];
  walk("", files);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Whether a path is TypeScript that runs in production or tests. */
export function isTypeScript(path: string): boolean {
  return /\.tsx?$/.test(path);
}

/** Whether a path is a test or supports one. */
export function isTestFile(path: string): boolean {
  return /_test\.tsx?$/.test(path) || path.startsWith("tests/");
}

function walk(folder: string, files: SourceFile[]): void {
  for (const entry of Deno.readDirSync(`${ROOT}/${folder}`)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory && !skippedFolders.has(entry.name)) walk(path, files);
    if (entry.isFile && textNames.test(path) && !path.endsWith(".log")) {
      files.push({ path, text: Deno.readTextFileSync(`${ROOT}/${path}`) });
    }
  }
}
