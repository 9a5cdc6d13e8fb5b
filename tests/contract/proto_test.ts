/**
 * The frozen part of proto/: every field and enum value of the contract (proto_baseline.txt, as
 * existing clients know it) is there, with its number and type; by buf, nothing else that was
 * published breaks either (proto_baseline.binpb), files and names keep to the rules of
 * proto/buf.yaml, and the compiled files that reflection gives are of these texts.
 *
 * What is added is published with a release; then the second baseline is made anew:
 *
 *     scripts/buf.sh build proto --exclude-source-info -o tests/contract/proto_baseline.binpb
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { protoDefinitions } from "../../scripts/write_proto_definitions.ts";
import { bufTests, runBuf } from "../support/buf.ts";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";

const ROOT = new URL("../../", import.meta.url).pathname;
const FILES = ["analytics/v1/analytics.proto", "analytics/analytics.proto"];

const bufTest = await bufTests();
const BASELINE = "tests/contract/proto_baseline.binpb";

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

interface Descriptor {
  readonly field?: readonly Field[];
  readonly value?: readonly { readonly name: string; readonly number: number }[];
}

const loaded = loadSync(FILES, { keepCase: true, includeDirs: [`${ROOT}proto`] });

function descriptorOf(definition: PackageDefinition, name: string): Descriptor {
  return (definition[name] as unknown as { type: Descriptor } | undefined)?.type ?? {};
}

Deno.test("proto/ has every field and value that existing clients know", () => {
  const lines = Deno.readTextFileSync(`${ROOT}tests/contract/proto_baseline.txt`).trim().split(
    "\n",
  );
  assert.ok(lines.length > 290);
  for (const line of lines) {
    const [, owner, type, name, number] =
      /^(\S+) (?:((?:repeated )?[\w.]+|map<.+>) )?(\w+) = (\d+)$/.exec(line)!;
    const { field = [], value = [] } = descriptorOf(loaded, owner);
    const found = [...field, ...value].find((each) => each.name === name);
    assert.equal(found?.number, Number(number), line);
    if (type !== undefined) assert.ok(isOfType(found as Field, type), line);
  }
});

function isOfType(field: Field, type: string): boolean {
  if (type.startsWith("map<")) return field.label === "LABEL_REPEATED";
  const isRepeated = type.startsWith("repeated ");
  if (isRepeated !== (field.label === "LABEL_REPEATED")) return false;
  const single = type.replace("repeated ", "");
  if (field.typeName === "") return field.type === `TYPE_${single.toUpperCase()}`;
  return field.typeName.endsWith(single);
}

Deno.test(bufTest("proto/ is linted and formatted as buf wants it", async () => {
  for (const args of [["lint", "proto"], ["format", "--diff", "--exit-code", "proto"]]) {
    const { code, text } = await runBuf(...args);
    assert.equal(code, 0, text);
  }
}));

Deno.test(bufTest("proto/ breaks no client that was made from its baseline", async () => {
  const { code, text } = await runBuf("breaking", "proto", "--against", BASELINE);
  assert.equal(code, 0, text);
}));

Deno.test(bufTest("buf finds what breaks clients and what is named badly", async () => {
  const folder = await Deno.makeTempDir({ prefix: "rta-proto-" });
  try {
    const copied = await new Deno.Command("cp", { args: ["-R", `${ROOT}proto/.`, folder] })
      .output();
    assert.equal(copied.code, 0);
    const file = `${folder}/analytics/v1/analytics.proto`;
    const proto = await Deno.readTextFile(file);
    const changed = proto.replace("string referrer = 3;", "string refererUrl = 3;")
      .replace("stream StreamEventsRequest", "StreamEventsRequest");
    await Deno.writeTextFile(file, changed);
    const breaking = await runBuf("breaking", folder, "--against", BASELINE);
    assert.match(breaking.text, /"referrer" to "refererUrl"/);
    assert.match(breaking.text, /RPC "StreamEvents".* client streaming to client unary/);
    assert.match((await runBuf("lint", folder)).text, /"refererUrl" should be lower_snake_case/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}));

Deno.test(
  bufTest("proto/descriptors.binpb was made of the files beside it (make proto)", async () => {
    const { code, bytes, text } = await runBuf(
      "build",
      "proto",
      "--as-file-descriptor-set",
      "-o",
      "-",
    );
    assert.equal(code, 0, text);
    const isSame = Buffer.from(bytes).equals(await Deno.readFile(`${ROOT}proto/descriptors.binpb`));
    assert.ok(isSame, "run make proto");
  }),
);

Deno.test("proto/definitions.json was made of the files beside it (make proto)", async () => {
  const kept = await Deno.readTextFile(`${ROOT}proto/definitions.json`);
  assert.ok(kept === protoDefinitions(), "run make proto");
});
