/** The lint plugin: what it finds, and what it lets pass. */
import assert from "node:assert/strict";
import plugin, { FUNCTION_LINES_BELOW } from "./lint_plugin.ts";

const found = (source: string, file = "/repo/lib/a.ts") =>
  Deno.lint.runPlugin(plugin, file, source).map((diagnostic) => diagnostic.id);

const body = (lines: number) => "  work();\n".repeat(lines - 2);

Deno.test("function-length reports a function when it reaches the limit", () => {
  const long = body(FUNCTION_LINES_BELOW);
  assert.deepEqual(found(`function a() {\n${long}}`), ["rta/function-length"]);
  assert.deepEqual(found(`const a = () => {\n${long}};`), ["rta/function-length"]);
  assert.deepEqual(found(`class A {\n  m() {\n${long}}\n}`), ["rta/function-length"]);
});

Deno.test("function-length passes a function when it is one line shorter", () => {
  assert.deepEqual(found(`function a() {\n${body(FUNCTION_LINES_BELOW - 1)}}`), []);
});

Deno.test("function-length passes a class when its methods are short", () => {
  const methods = Array.from({ length: 40 }, (_, n) => `  m${n}() {\n    work();\n  }\n`).join("");
  assert.deepEqual(found(`class A {\n${methods}}`), []);
});

Deno.test("no-vague-names reports a name when it says nothing", () => {
  for (const source of ["class EventManager {}", "function dateUtils() {}", "type Helper = 1;"]) {
    assert.deepEqual(found(source), ["rta/no-vague-names"], source);
  }
  assert.deepEqual(found("class RingWriter {}\nfunction scanEvent() {}"), []);
});

Deno.test("no-focused-tests reports a test when it would be left out or left alone", () => {
  const bad = [
    'Deno.test.only("a", () => {});',
    'Deno.test.ignore("a", () => {});',
    'Deno.test({ name: "a", ignore: true, fn() {} });',
    'Deno.test("a", { only: true }, () => {});',
  ];
  for (const source of bad) assert.deepEqual(found(source), ["rta/no-focused-tests"], source);
  assert.deepEqual(found('Deno.test("a", { sanitizeOps: false }, () => {});'), []);
});

Deno.test("no-timed-waits reports a wait when it stands in a test", () => {
  const source = "await new Promise((resolve) => setTimeout(resolve, 50));";
  assert.deepEqual(found(source, "/repo/lib/a_test.ts"), ["rta/no-timed-waits"]);
  assert.deepEqual(found(source, "/repo/tests/e2e/serve.ts"), ["rta/no-timed-waits"]);
  assert.deepEqual(found(source, "/repo/tests/support/deadline.ts"), []);
  assert.deepEqual(found(source, "/repo/tests/bench/load.ts"), []);
  assert.deepEqual(found(source, "/repo/lib/a.ts"), []);
});

Deno.test("pure-folders reports a clock or chance when it stands in a PURE folder", () => {
  for (const source of ["Date.now();", "new Date();", "const roll = Math.random;"]) {
    assert.deepEqual(found(source, "/repo/lib/event/a.ts"), ["rta/pure-folders"], source);
    assert.deepEqual(found(source, "/repo/lib/event/a_test.ts"), [], source);
    assert.deepEqual(found(source, "/repo/lib/log/a.ts"), [], source);
  }
  assert.deepEqual(found("new Date(0).toISOString();", "/repo/lib/event/a.ts"), []);
});

Deno.test("documented-functions reports an exported function when nothing is said of it", () => {
  const bad = [
    "export function a(): void {}",
    "/* why */ export function a(): void {}",
    "/** What. */\nfunction own(): void {}\nexport async function b() {}",
  ];
  for (const source of bad) assert.deepEqual(found(source), ["rta/documented-functions"], source);
});

Deno.test("documented-functions passes a function when it is documented or not exported", () => {
  const good = [
    "/** What. */\nexport function a(): void {}",
    "/**\n * What.\n */\nexport async function a() {}",
    "export const KIND = 1;\nexport interface A {}\nexport class B {}",
    "function own() {}",
  ];
  for (const source of good) assert.deepEqual(found(source), [], source);
  assert.deepEqual(found("export function a() {}", "/repo/lib/a_test.ts"), []);
});
