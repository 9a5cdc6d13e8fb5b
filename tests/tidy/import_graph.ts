/**
 * Who imports whom, read from `deno info --json` over every TypeScript file of the repository.
 *
 * `deno info` does not follow `new Worker(new URL("./x.ts", import.meta.url))`, so such addresses
 * are read from the text: they name a module as surely as an import does.
 */
import { posix } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { lineAt } from "./finding.ts";
import { ROOT, type SourceFile } from "./source_tree.ts";

/** One import. */
export interface ImportEdge {
  /** The importing file, path from the root. */
  readonly from: string;
  /** Line of the import in it, from 1. */
  readonly line: number;
  /** A path from the root, `npm:NAME` without its version, or `node:NAME`. */
  readonly to: string;
}

interface InfoTarget {
  readonly specifier?: string;
  readonly error?: string;
  readonly span: { readonly start: { readonly line: number } };
}

interface InfoModule {
  readonly specifier: string;
  readonly error?: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: InfoTarget;
    readonly type?: InfoTarget;
  }[];
}

/** Every import of the given files. Throws when one cannot be parsed or resolved. */
export async function importGraph(files: readonly SourceFile[]): Promise<ImportEdge[]> {
  const modules = await describeModules(files.map((file) => file.path));
  const wanted = new Map(files.map((file) => [file.path, file]));
  const edges: ImportEdge[] = [];
  for (const module of modules) {
    const from = pathFromRoot(module.specifier);
    if (!wanted.has(from)) continue;
    if (module.error !== undefined) throw new Error(`${from}: ${module.error}`);
    edges.push(...importsOf(module, from));
    edges.push(...moduleAddresses(wanted.get(from)!));
  }
  return edges;
}

/** Modules that a file names by `new URL("./x.ts", import.meta.url)`. */
export function moduleAddresses(file: SourceFile): ImportEdge[] {
  const address = /new URL\(\s*["'`](\.[^"'`]+\.tsx?)["'`],\s*import\.meta\.url/g;
  return [...file.text.matchAll(address)].map((match) => ({
    from: file.path,
    line: lineAt(file.text, match.index),
    to: posix.join(posix.dirname(file.path), match[1]),
  }));
}

/** One call of `deno info` over an entry file that imports them all. */
async function describeModules(paths: readonly string[]): Promise<readonly InfoModule[]> {
  const folder = await Deno.makeTempDir();
  try {
    const entry = `${folder}/all.ts`;
    const imports = paths.map((path) => `import ${JSON.stringify(urlOf(path))};\n`);
    await Deno.writeTextFile(entry, imports.join(""));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--frozen", "--config", `${ROOT}/deno.json`, entry],
      cwd: ROOT,
    }).output();
    if (code !== 0) throw new Error(`deno info: ${new TextDecoder().decode(stderr)}`);
    return JSON.parse(new TextDecoder().decode(stdout)).modules;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function importsOf(module: InfoModule, from: string): ImportEdge[] {
  return (module.dependencies ?? []).map(({ specifier, code, type }) => {
    const target = (code ?? type)!;
    const line = target.span.start.line + 1;
    if (target.specifier === undefined) {
      throw new Error(`${from}:${line} ${specifier}: ${target.error}`);
    }
    return { from, line, to: pathFromRoot(target.specifier) };
  });
}

/** "file:///…/lib/x.ts" -> "lib/x.ts"; "npm:@a/b@1.2.3/c" -> "npm:@a/b"; others as they are. */
function pathFromRoot(specifier: string): string {
  if (specifier.startsWith("file:")) {
    const path = fileURLToPath(specifier);
    return path.startsWith(`${ROOT}/`) ? path.slice(ROOT.length + 1) : path;
  }
  const npm = /^npm:\/?((?:@[^/]+\/)?[^@/]+)/.exec(specifier);
  return npm ? `npm:${npm[1]}` : specifier;
}

function urlOf(path: string): string {
  return pathToFileURL(`${ROOT}/${path}`).href;
}
