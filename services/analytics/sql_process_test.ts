import assert from "node:assert/strict";
import { SqlError } from "../../lib/sql/sql_protocol.ts";
import { withDeadline } from "../../tests/support/deadline.ts";
import { DEEP, ENDLESS, MEMORY_HOGS } from "../../tests/support/sql_attacks.ts";
import { SqlProcess } from "./sql_process.ts";

const NEVER = new AbortController().signal;

/** An engine's process with an empty folder of copies. */
class Scene implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "rta-test-" });
  readonly engine = new SqlProcess(() => this.folder);

  /** Plans and runs a statement; gives the text of its rows. */
  async ask(sql: string, signal: AbortSignal = NEVER): Promise<string> {
    const { columns } = await this.engine.plan(sql, signal);
    const spillFolder = `${this.folder}/spill`;
    const run = { sql, folder: this.folder, files: [], columns, spillFolder } as const;
    const { text } = await this.engine.run({ ...run, format: "json" }, signal);
    return await new Blob([...text]).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("SqlProcess() answers one statement after the other in one process", async () => {
  await using scene = new Scene();
  assert.equal(scene.engine.pid, null, "it is started when it is needed");
  assert.equal(await scene.ask("SELECT 1, 'ü'"), '[1,"ü"]');
  const { pid } = scene.engine;
  assert.equal(await scene.ask("SELECT count(*) FROM events"), "[0]");
  assert.equal(scene.engine.pid, pid);
  await assert.rejects(scene.ask("SELECT nope"), SqlError);
  assert.equal(scene.engine.pid, pid, "a bad statement costs nothing");
});

Deno.test("SqlProcess() ends what takes too much memory, and answers the next one", async () => {
  await using scene = new Scene();
  for (const sql of MEMORY_HOGS) {
    await assert.rejects(scene.ask(sql), (error) => {
      assert.ok(error instanceof SqlError, sql);
      assert.equal(error.code, "resources_exceeded", `${sql}: ${error.message}`);
      return true;
    }, sql);
    assert.equal(await scene.ask("SELECT 1"), "[1]");
  }
});

Deno.test("SqlProcess() ends what takes too long, and answers the next one", async () => {
  await using scene = new Scene();
  assert.equal(await scene.ask("SELECT 1"), "[1]");
  for (const sql of ENDLESS) {
    // Over an empty table the cross joins have nothing to do.
    const answer = scene.ask(sql.replaceAll("events", "range(1000000)"), AbortSignal.timeout(300));
    await withDeadline(assert.rejects(answer, { name: "TimeoutError" }, sql), { what: sql });
    assert.equal(await scene.ask("SELECT 1"), "[1]");
  }
});

Deno.test("SqlProcess() outlives statements of any depth", async () => {
  await using scene = new Scene();
  for (const sql of DEEP) {
    await scene.ask(sql).catch((error) => assert.ok(error instanceof SqlError, String(error)));
    assert.equal(await scene.ask("SELECT 1"), "[1]");
  }
});

Deno.test("SqlProcess() says so when its process dies, and starts another", async () => {
  await using scene = new Scene();
  assert.equal(await scene.ask("SELECT 1"), "[1]");
  const endless = scene.ask(ENDLESS[0]);
  Deno.kill(scene.engine.pid!, "SIGKILL");
  await assert.rejects(endless, (error) => {
    assert.ok(error instanceof SqlError);
    assert.equal(error.code, "failed");
    assert.match(error.message, /SIGKILL/);
    return true;
  });
  assert.equal(await scene.ask("SELECT 1"), "[1]");
});
