/** The rules over documents, Makefile and shell: bad samples first, then the whole tree. */
import assert from "node:assert/strict";
import {
  brokenLinks,
  makeTargets,
  type Task,
  undocumentedPackages,
  unequalTasks,
  unexplainedTargets,
  unknownTargets,
} from "./doc_rules.ts";
import { assertNoFindings, type Finding } from "./finding.ts";
import { ROOT, type SourceFile, sourceTree } from "./source_tree.ts";

const file = (path: string, text: string): SourceFile => ({ path, text });
const lines = (findings: Finding[]) => findings.map((finding) => finding.line);

Deno.test("brokenLinks() finds a link when its file or heading is not there", () => {
  const target = (path: string) => path === "docs/B.md" ? "# One *two*: three\n" : null;
  const bad = "[a](B.md)\n[b](C.md)\n[c](B.md#two)\n[d](#none)";
  assert.deepEqual(lines(brokenLinks(file("docs/A.md", bad), target)), [2, 3, 4]);
  const good = "# Here\n[a](B.md#one-two-three) [b](#here) [c](https://deno.com)\n```\n[d](E)\n```";
  assert.deepEqual(brokenLinks(file("docs/A.md", good), target), []);
});

Deno.test("unknownTargets() finds a target when only the document knows it", () => {
  const targets = new Set(["run"]);
  const bad = "Call `make rum`.\n\n```\n$ make runn\nN=5 make walk\n```\n";
  assert.deepEqual(lines(unknownTargets(file("A.md", bad), targets)), [1, 4, 5]);
  const good = "We make do; `make run`.\n\n```\nmake run # and make merry\n```\n";
  assert.deepEqual(unknownTargets(file("A.md", good), targets), []);
});

Deno.test("unexplainedTargets() finds a target when help would not list it", () => {
  const makefile = "A := 1\nrun: setup ## Start it\n\techo\nhidden:\n\techo\n";
  assert.deepEqual(lines(unexplainedTargets(file("Makefile", makefile))), [4]);
  assert.deepEqual([...makeTargets(makefile)], ["run"]);
});

Deno.test("unequalTasks() finds a task or a target that is not the other's", () => {
  const makefile = "run: setup ## Start it\n\techo\nstop: ## Stop it\n\techo\n";
  const run = { description: "Start it", command: "make run" };
  const stop = { description: "Stop it", command: "make stop" };
  const unequal = (tasks: Record<string, Task>) =>
    unequalTasks(tasks, makefile).map(({ what }) => what.split(" ")[2]);
  assert.deepEqual(unequal({ run, stop }), []);
  assert.deepEqual(unequal({ run }), ["stop"]);
  assert.deepEqual(unequal({ run, stop, test: { command: "make test" } }), ["test"]);
  assert.deepEqual(unequal({ run, stop: { ...stop, command: "kill" } }), ["stop"]);
  assert.deepEqual(unequal({ run: { ...run, description: "" }, stop }), ["run"]);
});

Deno.test("undocumentedPackages() finds a package without a row and a row without a package", () => {
  const document = file("D.md", "| Package | For |\n| --- | --- |\n| `zod` | x |\n| `old` | y |\n");
  assert.deepEqual(lines(undocumentedPackages(["zod", "hono"], document)), [1, 4]);
});

const tree = sourceTree();
const wanted = (path: string): SourceFile => {
  const found = tree.find((file) => file.path === path);
  assert.ok(found, `${path} is missing`);
  return found;
};

/** The text of a repository's path, "" for a folder or binary, null when it is not there. */
function readTarget(path: string): string | null {
  const known = tree.find((file) => file.path === path);
  if (known) return known.text;
  try {
    Deno.statSync(`${ROOT}/${path}`);
    return "";
  } catch {
    return null;
  }
}

Deno.test("the tree has no broken links", () => {
  assertNoFindings(tree.flatMap((file) => brokenLinks(file, readTarget)));
});

Deno.test("the tree explains every make target, and names no other", () => {
  const makefile = wanted("Makefile");
  const targets = makeTargets(makefile.text);
  assertNoFindings([
    ...unexplainedTargets(makefile),
    ...tree.flatMap((file) => unknownTargets(file, targets)),
  ]);
});

Deno.test("the tree has a deno task for every make target", () => {
  const { tasks } = JSON.parse(wanted("deno.json").text);
  assertNoFindings(unequalTasks(tasks, wanted("Makefile").text));
});

Deno.test("the tree has a row in docs/DEPENDENCIES.md for every package", () => {
  const packages = Object.keys(JSON.parse(wanted("deno.json").text).imports);
  assertNoFindings(undocumentedPackages(packages, wanted("docs/DEPENDENCIES.md")));
});

Deno.test("the tree's shell scripts parse", async () => {
  const scripts = tree.filter((file) => file.text.startsWith("#!/usr/bin/env bash"));
  assert.ok(scripts.length > 0);
  for (const { path, text } of scripts) {
    const bash = new Deno.Command("bash", { args: ["-n", path], cwd: ROOT });
    assert.equal((await bash.output()).code, 0, path);
    assert.match(text, /^set -euo pipefail$/m, path);
  }
});
