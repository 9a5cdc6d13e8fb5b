import assert from "node:assert/strict";
import { join } from "node:path";
import { KAFKA_JARS } from "./kafka_jar_list.ts";
import { classPath, jarPath, pomOf, verifyJars, withFileLock } from "./kafka_jars.ts";

const sumOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const list = { folder: "none/1", sums: { "org.a.b:one:1.2": sumOfAbc, "c:two:3": sumOfAbc } };

Deno.test("jarPath() gives the place of a jar in a Maven repository", () => {
  assert.equal(jarPath("org.a.b:one:1.2"), "org/a/b/one/1.2/one-1.2.jar");
});

Deno.test("classPath() has every jar of the list in its order", () => {
  const names = classPath(list).split(":").map((path) => path.slice(path.indexOf("none/1")));
  assert.deepEqual(names, ["none/1/jars/one-1.2.jar", "none/1/jars/two-3.jar"]);
});

Deno.test("pomOf() depends on the listed jars alone", () => {
  const pom = pomOf(list);
  assert.equal(pom.match(/<dependency>/g)!.length, 2);
  assert.equal(pom.match(/<exclusion><groupId>\*<\/groupId>/g)!.length, 2);
  assert.ok(pom.includes(
    "<groupId>org.a.b</groupId><artifactId>one</artifactId><version>1.2</version>",
  ));
});

Deno.test("verifyJars() names the jars that are missing or changed, and no others", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "one-1.2.jar"), "abc");
    await assert.rejects(verifyJars(list, folder), /wrong SHA-256:\n {2}c:two:3 has no file/);
    await Deno.writeTextFile(join(folder, "two-3.jar"), "abd");
    await assert.rejects(verifyJars(list, folder), /c:two:3 has a52d159f262b2c6ddb724a61840befc3/);
    await Deno.writeTextFile(join(folder, "two-3.jar"), "abc");
    await verifyJars(list, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("withFileLock() lets one in at a time, and the next in after a failure", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "a.lock");
    const order: string[] = [];
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const first = withFileLock(path, async () => {
      entered.resolve();
      await held;
      order.push("first");
      throw new Error("failed");
    });
    await entered.promise;
    const second = withFileLock(path, () => Promise.resolve(order.push("second")));
    release();
    await assert.rejects(first, /failed/);
    await second;
    assert.deepEqual(order, ["first", "second"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("KAFKA_JARS has a SHA-256 and complete coordinates for each jar", () => {
  for (const [jar, sum] of Object.entries(KAFKA_JARS.sums)) {
    assert.match(jar, /^[\w.-]+:[\w.-]+:[\w.-]+$/);
    assert.match(sum, /^[0-9a-f]{64}$/);
  }
});
