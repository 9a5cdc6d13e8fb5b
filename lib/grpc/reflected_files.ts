/** All files of proto/ as compiled (`make proto`): what reflection gives, imports and options included. */
import { Buffer } from "node:buffer";
import type { PackageDefinition } from "@grpc/proto-loader";

/** Field 1, length-delimited. */
const FILE_TAG = 0x0a;

/** Reads proto/descriptors.binpb. */
export function reflectedFiles(): PackageDefinition {
  const compiled = Deno.readFileSync(new URL("../../proto/descriptors.binpb", import.meta.url));
  return {
    // Only the bytes of the files are looked at; whole files, which proto-loader does not keep.
    files: { format: "", type: {}, fileDescriptorProtos: filesOf(Buffer.from(compiled)) },
  } as unknown as PackageDefinition;
}

/** The files of a google.protobuf.FileDescriptorSet: its field 1, each with its length before it. */
function filesOf(set: Buffer): Buffer[] {
  const files: Buffer[] = [];
  let at = 0;
  while (at < set.length) {
    if (set[at++] !== FILE_TAG) throw new Error("proto/descriptors.binpb is no descriptor set");
    let length = 0;
    for (let shift = 0;; shift += 7) {
      const byte = set[at++];
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    files.push(set.subarray(at, at + length));
    at += length;
  }
  return files;
}
