/**
 * The services and messages of proto/, loaded once. Messages are plain objects with proto names;
 * int64 and enums are numbers or texts as LOADER_OPTIONS says, and a message that is missing is
 * null.
 */
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import {
  loadSync,
  type MessageTypeDefinition,
  type Options,
  type PackageDefinition,
  type ServiceDefinition,
} from "@grpc/proto-loader";

/** Files that define what is served, below proto/. */
const SERVED_FILES = ["analytics/v1/analytics.proto", "analytics/analytics.proto"];
/** What travels beside answers. */
const DETAIL_FILES = [
  "google/rpc/status.proto",
  "google/rpc/error_details.proto",
  "grpc/health/v1/health.proto",
];

/** Field 1, length-delimited. */
const FILE_TAG = 0x0a;

const LOADER_OPTIONS: Options = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
};

/** All that proto/ defines. */
export interface Definitions {
  /** All files as compiled (`make proto`): what reflection gives, imports and options included. */
  readonly reflected: PackageDefinition;
  /** @throws when there is no service of this full name, such as `analytics.v1.MetricsService` */
  service(name: string): ServiceDefinition;
  /** @throws when there is no message of this full name */
  message<T extends object>(name: string): MessageTypeDefinition<T, T>;
}

let loaded: Definitions | null = null;

/** Reads proto/ the first time; it takes about 50 ms. */
export function loadDefinitions(): Definitions {
  return loaded ??= readDefinitions();
}

function readDefinitions(): Definitions {
  const folder = fileURLToPath(new URL("../../proto/", import.meta.url));
  const all = loadSync([...SERVED_FILES, ...DETAIL_FILES], {
    ...LOADER_OPTIONS,
    includeDirs: [folder],
  });
  const find = (name: string) => {
    const found = all[name];
    if (found === undefined) throw new Error(`proto/ defines no ${name}`);
    return found;
  };
  const compiled = Buffer.from(Deno.readFileSync(`${folder}descriptors.binpb`));
  return {
    reflected: {
      // Only the bytes of the files are looked at; whole files, which proto-loader does not keep.
      files: { format: "", type: {}, fileDescriptorProtos: filesOf(compiled) },
    } as unknown as PackageDefinition,
    service: (name) => find(name) as ServiceDefinition,
    message: <T extends object>(name: string) =>
      find(name) as unknown as MessageTypeDefinition<T, T>,
  };
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
