/**
 * docs/GRPC_QUICKSTART.md held to the truth: its programs, saved and run as it says. Its commands are
 * run by docs_commands_test.ts.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { withDeadline } from "../support/deadline.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { grpcPython } from "../support/grpc_programs.ts";
import { startServer, type TestServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);
const TEXT = Deno.readTextFileSync(new URL("docs/GRPC_QUICKSTART.md", ROOT));
/** Longest that one program may run, ms. */
const PROGRAM_MS_MAX = 60_000;

const python = await grpcPython();

/** The one block of a language that holds `word`, as it finds the server. */
function block(language: string, word: string, server: TestServer): string {
  const found = [...TEXT.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter((block) => block[1] === language && block[2].includes(word));
  assert.equal(found.length, 1);
  return found[0][2].replaceAll("http://127.0.0.1:8080", server.urls.gateway)
    .replaceAll("127.0.0.1:50051", `127.0.0.1:${grpcPortOf(server)}`);
}

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const output = new Deno.Command(command, { args: [...args], cwd, stdin: "null" }).output();
  const { code, stdout, stderr } = await withDeadline(output, {
    what: command,
    deadlineMs: PROGRAM_MS_MAX,
  });
  const printed = new TextDecoder().decode(stdout);
  assert.equal(code, 0, `${printed}${new TextDecoder().decode(stderr)}`);
  return printed;
}

/** A folder that stands for the checkout. */
async function withCheckout(use: (folder: string, server: TestServer) => Promise<void>) {
  const folder = Deno.makeTempDirSync({ prefix: "rta-quickstart-" });
  await using server = await startServer();
  try {
    Deno.symlinkSync(new URL("proto", ROOT), `${folder}/proto`);
    await use(folder, server);
    assert.equal(await server.stop(), 0);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("docs/GRPC_QUICKSTART.md has a program for Deno that runs", async () => {
  await withCheckout(async (folder, server) => {
    const program = block("ts", "GrpcAnalyticsClient", server);
    Deno.writeTextFileSync(
      `${folder}/first.ts`,
      program.replaceAll('"./lib/', `"${ROOT.href}lib/`),
    );
    const config = new URL("deno.json", ROOT).pathname;
    const settings = ["--config", config, "--frozen", "--quiet", "--check"];
    const printed = await run(Deno.execPath(), ["run", ...settings, "-A", "first.ts"], folder);
    assert.match(printed, /^stored [0-9a-f-]{36}\nsign-ups today: 1\n$/);
  });
});

Deno.test(python.test("docs/GRPC_QUICKSTART.md has a program in Python that runs", async () => {
  await withCheckout(async (folder, server) => {
    // The environment that is kept for tests, with the very packages that are named.
    const commands = block("sh", "pip install", server).replaceAll(".venv", dirname(python.folder));
    await run("bash", ["-euo", "pipefail", "-c", commands], folder);
    Deno.writeTextFileSync(`${folder}/first.py`, block("python", "import grpc", server));
    const printed = await run(python.path, ["first.py"], folder);
    assert.match(printed, /^stored [0-9a-f-]{36}\npurchases today: 1\n$/);
  });
}));
