/** The restart loop, with small shell programs as the child. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { EXIT_CONFIG } from "../lib/config/exit_codes.ts";
import { QUICK_FAILURES_MAX, RESTART_WAIT_MS_MAX } from "../lib/config/limits.ts";
import { RestartPolicy, superviseServe } from "./supervise.ts";

/** Runs the loop over a shell program with waits that take no time; what was waited is kept. */
async function supervise(program: string, args: string[] = []) {
  const dataFolder = await Deno.makeTempDir();
  const waits: number[] = [];
  const wait = (ms: number) => (waits.push(ms), Promise.resolve());
  const command = ["sh", "-c", `cd '${dataFolder}'; ${program}`, "child"];
  try {
    const code = await superviseServe(args, { dataFolder, command, wait });
    const log = await Deno.readTextFile(join(dataFolder, "logs", "rta.log"));
    const lines = log.split("\n").filter((line) => line !== "");
    return { code, waits, lines, reports: lines.filter((line) => line.startsWith("{")) };
  } finally {
    await Deno.remove(dataFolder, { recursive: true });
  }
}

/** Starts a loop in a process of its own; `line()` gives the next line that it writes. */
async function startLoop(
  dataFolder: string,
  program: string,
  { stopMs = 10_000, env = {} }: { stopMs?: number; env?: Record<string, string> } = {},
) {
  const module = new URL("./supervise.ts", import.meta.url).href;
  const options = { dataFolder, command: ["sh", "-c", program], stopMs };
  const script = `import { superviseServe } from "${module}";
    Deno.exit(await superviseServe([], ${JSON.stringify(options)}));`;
  const file = join(dataFolder, "loop.ts");
  await Deno.writeTextFile(file, script);
  const config = new URL("../deno.json", import.meta.url).pathname;
  const loop = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", decodeURIComponent(config), file],
    env,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = loop.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  const line = async () => {
    while (!seen.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the loop ended early: ${seen}`);
      seen += value;
    }
    const [first, ...rest] = seen.split("\n");
    seen = rest.join("\n");
    return first;
  };
  return { loop, line, end: () => reader.cancel() };
}

Deno.test("superviseServe() ends with 0 when the child does, and passes the arguments on", async () => {
  const { code, lines } = await supervise('echo "$1 $2"; exit 0', ["--port", "8081"]);
  assert.equal(code, 0);
  assert.deepEqual(lines, ["--port 8081"]);
});

Deno.test("superviseServe() starts the child again when it fails", async () => {
  const { code, waits, reports } = await supervise("[ -e been ] && exit 0; : > been; exit 3");
  assert.equal(code, 0);
  assert.deepEqual(waits, [0]);
  const report = JSON.parse(reports[0]);
  assert.equal(report.code, 3);
  assert.equal(report.stage, "supervise");
});

Deno.test("superviseServe() starts the child again when a signal killed it", async () => {
  const { code, reports } = await supervise("[ -e been ] && exit 0; : > been; kill -9 $$");
  assert.equal(code, 0);
  assert.equal(JSON.parse(reports[0]).code, 128 + 9);
});

Deno.test("superviseServe() does not restart when the configuration is bad", async () => {
  const { code, waits } = await supervise(`exit ${EXIT_CONFIG}`);
  assert.equal(code, EXIT_CONFIG);
  assert.deepEqual(waits, []);
});

Deno.test("superviseServe() gives up with the child's code after quick failures", async () => {
  const { code, waits, lines, reports } = await supervise("echo lived; exit 7");
  assert.equal(code, 7);
  assert.equal(lines.filter((line) => line === "lived").length, QUICK_FAILURES_MAX);
  assert.equal(waits.length, QUICK_FAILURES_MAX - 1);
  assert.match(reports.at(-1)!, /gave up/);
});

Deno.test("superviseServe() drops RTA_FAULT when it restarts", async () => {
  const dataFolder = await Deno.makeTempDir();
  const program =
    `cd '${dataFolder}'; echo "fault=$RTA_FAULT"; [ -e been ] && exit 0; : > been; exit 1`;
  const env = { RTA_FAULT: "shard_throw" };
  const { loop, line, end } = await startLoop(dataFolder, program, { env });
  try {
    assert.equal(await line(), "fault=shard_throw");
    assert.match(await line(), /started again/);
    assert.equal(await line(), "fault=");
    assert.equal((await loop.status).code, 0);
  } finally {
    await end();
    await Deno.remove(dataFolder, { recursive: true });
  }
});

Deno.test("superviseServe() ends at once when it is stopped while it waits to restart", async () => {
  const dataFolder = await Deno.makeTempDir();
  const { loop, line, end } = await startLoop(dataFolder, "exit 5");
  try {
    while (JSON.parse(await line()).waitMs < 1_000);
    loop.kill("SIGTERM");
    assert.equal((await loop.status).code, 5);
  } finally {
    await end();
    await Deno.remove(dataFolder, { recursive: true });
  }
});

Deno.test("superviseServe() refuses a folder when another loop holds it", async () => {
  const dataFolder = await Deno.makeTempDir();
  const first = await startLoop(dataFolder, "echo up; exec sleep 60");
  try {
    assert.equal(await first.line(), "up");
    const held = (await Deno.readTextFile(join(dataFolder, "supervisor.pid"))).trim();
    assert.equal(held, String(first.loop.pid));
    const code = await superviseServe([], { dataFolder, command: ["false"] });
    assert.equal(code, EXIT_CONFIG);
  } finally {
    first.loop.kill("SIGTERM");
    await first.loop.status;
    await first.end();
    await Deno.remove(dataFolder, { recursive: true });
  }
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`superviseServe() lets the child end in its own time when it gets ${signal}`, async () => {
    const dataFolder = await Deno.makeTempDir();
    // The shell handles a signal only between commands, so it waits for short ones.
    const program = 'trap "echo drained; exit 0" TERM; echo up; while :; do sleep 0.02; done';
    const { loop, line, end } = await startLoop(dataFolder, program);
    try {
      assert.equal(await line(), "up");
      loop.kill(signal);
      assert.equal(await line(), "drained");
      assert.equal((await loop.status).code, 0);
      assert.equal(await Deno.readTextFile(join(dataFolder, "supervisor.pid")), "");
    } finally {
      await end();
      await Deno.remove(dataFolder, { recursive: true });
    }
  });
}

Deno.test("superviseServe() kills the child when it does not stop in time", async () => {
  const dataFolder = await Deno.makeTempDir();
  const program = 'trap "" TERM; echo up; while :; do sleep 0.02; done';
  const { loop, line, end } = await startLoop(dataFolder, program, { stopMs: 100 });
  try {
    assert.equal(await line(), "up");
    loop.kill("SIGTERM");
    assert.match(await line(), /did not stop in time/);
    assert.equal((await loop.status).code, 128 + 9);
  } finally {
    await end();
    await Deno.remove(dataFolder, { recursive: true });
  }
});

Deno.test("RestartPolicy.afterFailure() doubles the wait when failures follow quickly", () => {
  const policy = new RestartPolicy();
  const waits = Array.from({ length: 8 }, () => policy.afterFailure(10));
  assert.deepEqual(waits, [0, 250, 500, 1000, 2000, 4000, RESTART_WAIT_MS_MAX, 5000]);
});

Deno.test("RestartPolicy.afterFailure() starts anew when a life was long", () => {
  const policy = new RestartPolicy();
  for (let failures = 1; failures < QUICK_FAILURES_MAX; failures++) policy.afterFailure(10);
  assert.equal(policy.afterFailure(60_000), 0);
  assert.equal(policy.afterFailure(10), 250);
});
