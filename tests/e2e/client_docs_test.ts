/**
 * docs/CLIENT.md held to the truth: every block of `ts`, `js` and `sh` is run against a server, and
 * the table of options is compared with the code. A block of `ts` that imports nothing
 * goes on after the first one.
 */
import assert from "node:assert/strict";
import { AnalyticsClient } from "../../lib/client/mod.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { node } from "../support/js_runtimes.ts";
import { printedBy } from "../support/printed_by.ts";
import { startServer, type TestServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);
const TEXT = Deno.readTextFileSync(new URL("docs/CLIENT.md", ROOT));

/** The blocks of a language. */
function blocksOf(language: string): string[] {
  return [...TEXT.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter((block) => block[1] === language).map((block) => block[2]);
}

/** The block as it finds the server and the library. */
function placed(block: string, server: TestServer): string {
  return block.replaceAll("http://127.0.0.1:8080", server.urls.gateway)
    .replaceAll("http://127.0.0.1:8081", server.urls.ingestion)
    .replaceAll("127.0.0.1:50051", `127.0.0.1:${grpcPortOf(server)}`)
    .replaceAll('"../lib/', `"${ROOT.href}lib/`);
}

Deno.test("docs/CLIENT.md has TypeScript that is right and runs", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "rta-client-docs-" });
  await using server = await startServer();
  try {
    const [begin, ...blocks] = blocksOf("ts");
    assert.ok(blocks.length > 5);
    const files = [begin, ...blocks].map((block, index) => {
      const isWhole = index === 0 || block.startsWith("import ");
      const file = `${folder}/block_${index}.ts`;
      Deno.writeTextFileSync(file, placed(isWhole ? block : begin + block, server));
      return file;
    });
    const config = new URL("deno.json", ROOT).pathname;
    const settings = ["--config", config, "--frozen", "--quiet"];
    await printedBy(Deno.execPath(), ["check", ...settings, ...files]);
    let printed = "";
    for (const file of files) {
      printed += await printedBy(Deno.execPath(), ["run", ...settings, "--no-check", "-A", file]);
    }
    assert.match(printed, /^invalid_parameter metric$/m);
    assert.match(printed, /^\{ stored: 500, refused: 0 \}$/m);
    const { events_by_type } = await new AnalyticsClient({ url: server.urls.gateway }).summary();
    const { tick, click, level_done } = events_by_type;
    assert.deepEqual({ tick, click, level_done }, { tick: 20_000, click: 502, level_done: 1 });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test(
  (await node()).test("docs/CLIENT.md has commands and JavaScript that run on Node", async () => {
    const folder = Deno.makeTempDirSync({ prefix: "rta-client-docs-" });
    await using server = await startServer();
    try {
      assert.deepEqual(blocksOf("sh"), ["make client\n"]);
      await printedBy("make", ["--silent", "client", `CLIENT_JS=${folder}/dist/client.js`]);
      const [block, ...others] = blocksOf("js");
      assert.deepEqual(others, []);
      Deno.writeTextFileSync(`${folder}/program.mjs`, placed(block, server));
      Deno.writeTextFileSync(`${folder}/package.json`, '{ "type": "module" }');
      assert.equal(await printedBy("node", ["program.mjs"], { cwd: folder }), "0\n");
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }),
);

/** First cells in code of the rows of a section's tables. */
function namesIn(section: RegExp): string[] {
  const part = TEXT.split(/^#{2,3} /m).find((each) => section.test(each));
  return [...part!.matchAll(/^\| `(\w+)`/gm)].map((row) => row[1]);
}

Deno.test("docs/CLIENT.md lists every option of the client, and no other", () => {
  const source = Deno.readTextFileSync(new URL("lib/client/client_options.ts", ROOT));
  const body = /export interface ClientOptions \{([\s\S]*?)^\}/m.exec(source)![1];
  const options = [...body.matchAll(/^ {2}readonly (\w+)\?/gm)].map((member) => member[1]);
  assert.deepEqual(namesIn(/^Options/), options);
});
