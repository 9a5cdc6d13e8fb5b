/** The rules over single files: bad samples first, then the whole tree. */
import assert from "node:assert/strict";
import { assertNoFindings, type Finding } from "./finding.ts";
import {
  badName,
  FILE_LINES_MAX,
  foreignPlaces,
  noHeader,
  starExports,
  tooLong,
  unfinishedWork,
  unusedLimits,
} from "./source_rules.ts";
import { type SourceFile, sourceTree } from "./source_tree.ts";

const file = (path: string, text = ""): SourceFile => ({ path, text });
const lines = (findings: Finding[]) => findings.map((finding) => finding.line);

Deno.test("tooLong() finds a file when it is one line over the limit", () => {
  assert.equal(tooLong(file("lib/a.ts", "x\n".repeat(FILE_LINES_MAX + 1))).length, 1);
  assert.equal(tooLong(file("lib/a.ts", "x\n".repeat(FILE_LINES_MAX))).length, 0);
});

Deno.test("badName() finds a name when it is not snake_case or says nothing", () => {
  for (
    const path of ["lib/ringWriter.ts", "lib/ring-writer.ts", "lib/utils/a.ts", "lib/x_helper.ts"]
  ) {
    assert.equal(badName(file(path)).length, 1, path);
  }
  for (const path of ["lib/ring/ring_writer.ts", "lib/hash64.ts", "lib/scan_test.ts"]) {
    assert.equal(badName(file(path)).length, 0, path);
  }
});

Deno.test("noHeader() finds a file when code comes first", () => {
  for (const text of ["import a;\n/** later */", "/** */\nimport a;", ""]) {
    assert.equal(noHeader(file("lib/a.ts", text)).length, 1, text);
  }
  assert.equal(noHeader(file("lib/a.ts", "/** What it is. */\nimport a;")).length, 0);
  assert.equal(noHeader(file("lib/a.ts", "/**\n * What it is.\n */\n")).length, 0);
});

Deno.test("unfinishedWork() finds the line when a note was left", () => {
  const note = "FIX" + "ME";
  assert.deepEqual(lines(unfinishedWork(file("a.md", `one\n// ${note}: two`))), [2]);
});

Deno.test("foreignPlaces() finds a machine's path and a registry's host", () => {
  const home = ["", "home", "ada", "rta"].join("/");
  const host = ["registry", "npmjs", "org"].join(".");
  assert.deepEqual(lines(foreignPlaces(file("a.sh", `cd ${home}\nget https://${host}/x`))), [1, 2]);
  assert.deepEqual(foreignPlaces(file("a.sh", "cd ./home/page; GET /work; lib/tmp/x")), []);
});

Deno.test("starExports() finds a star when it stands in a mod.ts", () => {
  assert.deepEqual(lines(starExports(file("lib/a/mod.ts", '\nexport * from "./b.ts";'))), [2]);
  assert.deepEqual(starExports(file("lib/a/mod.ts", 'export { b } from "./b.ts";')), []);
});

Deno.test("unusedLimits() finds a limit when only tests use it", () => {
  const limits = "export const A_MAX = 1;\nexport const B_MAX = 2;\nexport const C_MAX = A_MAX;";
  const files = [
    file("lib/config/limits.ts", limits),
    file("lib/a_test.ts", "B_MAX"),
    file("lib/a.ts", "C_MAX"),
  ];
  assert.deepEqual(lines(unusedLimits(files)), [2]);
});

const tree = sourceTree();

const rules: Record<string, (file: SourceFile) => Finding[]> = {
  "has no file that is too long": tooLong,
  "has names in snake_case that say something": badName,
  "has a header comment in every file of the product": noHeader,
  "has no notes of unfinished work": unfinishedWork,
  "names no machine's paths and no registry's hosts": foreignPlaces,
  "exports by name in every mod.ts": starExports,
};

for (const [name, rule] of Object.entries(rules)) {
  Deno.test(`the tree ${name}`, () => assertNoFindings(tree.flatMap(rule)));
}

Deno.test("the tree uses every limit", () => assertNoFindings(unusedLimits(tree)));
