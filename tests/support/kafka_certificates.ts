/** Certificates for a test broker's TLS listener: an authority, the broker, and one client. */
import { join } from "node:path";
import type { KafkaCertificates } from "./kafka_properties.ts";
import { CannotRunHere, hasProgram, runProgram } from "./kafka_java.ts";

const daysValid = "30";
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/**
 * Makes them in `folder`, for 127.0.0.1 and localhost.
 *
 * @throws {CannotRunHere} when there is no openssl
 */
export async function makeCertificates(folder: string): Promise<KafkaCertificates> {
  if (!await hasProgram("openssl")) throw new CannotRunHere("no openssl");
  const file = (name: string) => join(folder, name);
  const ca = ["-x509", "-subj", "/CN=rta test authority", "-days", daysValid];
  await openssl("req", ...ca, ...newKey, "-keyout", file("ca.key"), "-out", file("ca.pem"));
  await makeSigned(folder, "server", "subjectAltName=IP:127.0.0.1,DNS:localhost");
  await makeSigned(folder, "client", "extendedKeyUsage=clientAuth");
  const server = await Promise.all(["server.key", "server.pem"].map((name) => {
    return Deno.readTextFile(file(name));
  }));
  await Deno.writeTextFile(file("server_keystore.pem"), server.join(""));
  return {
    caFile: file("ca.pem"),
    serverFile: file("server_keystore.pem"),
    clientCertFile: file("client.pem"),
    clientKeyFile: file("client.key"),
  };
}

async function makeSigned(folder: string, name: string, extension: string): Promise<void> {
  const file = (suffix: string) => join(folder, `${name}.${suffix}`);
  const authority = ["-CA", join(folder, "ca.pem"), "-CAkey", join(folder, "ca.key")];
  await Deno.writeTextFile(file("extension"), `${extension}\n`);
  const request = ["-subj", `/CN=rta test ${name}`, "-keyout", file("key"), "-out", file("csr")];
  await openssl("req", "-new", ...newKey, ...request);
  const signing = ["-req", "-in", file("csr"), ...authority, "-CAcreateserial", "-days", daysValid];
  await openssl("x509", ...signing, "-extfile", file("extension"), "-out", file("pem"));
}

async function openssl(...args: string[]): Promise<void> {
  const { code, output } = await runProgram("openssl", args);
  if (code !== 0) throw new Error(`openssl ${args[0]} ended with ${code}:\n${output}`);
}
