/**
 * The frozen part of proto/: every field and enum value that clients know (proto_baseline.txt) is
 * there, with its number and type; and the compiled files that reflection gives are of these texts.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type PackageDefinition,
} from "@grpc/proto-loader";

const ROOT = new URL("../../", import.meta.url).pathname;
const FILES = ["analytics/v1/analytics.proto", "analytics/analytics.proto"];

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

Deno.test("proto/descriptors.binpb was made of the files beside it (make proto)", () => {
  const bytes = Buffer.from(Deno.readFileSync(`${ROOT}proto/descriptors.binpb`));
  const compiled = loadFileDescriptorSetFromBuffer(bytes, { keepCase: true });
  let fields = 0;
  for (const name of Object.keys(loaded).filter((name) => name.startsWith("analytics."))) {
    const numbersOf = (definition: PackageDefinition) => {
      const { field = [], value = [] } = descriptorOf(definition, name);
      return [...field, ...value].map(({ name, number }) => `${name} = ${number}`).sort();
    };
    assert.deepEqual(numbersOf(compiled), numbersOf(loaded), name);
    fields += numbersOf(loaded).length;
  }
  assert.ok(fields > 300, `${fields} fields`);
});
