/** A client for HTTP by TLS: whom it trusts, and the certificate that it shows (mutual TLS). */
import type { ClientTlsConfig } from "../config/config.ts";
import { readPem, TlsError } from "./tls_files.ts";

/**
 * A client for fetch; null = the usual one does. Throws TlsError.
 *
 * @param prefix of the settings that name the files, for messages, such as `RTA_ANALYTICS_TLS`
 */
export function openTlsClient(prefix: string, config: ClientTlsConfig): Deno.HttpClient | null {
  const { caFile, certFile, keyFile } = config;
  if (caFile === null && certFile === null) return null;
  const authorities = caFile === null ? {} : {
    caCerts: [readPem(`${prefix}_CA`, caFile, "certificate")],
  };
  const identity = certFile === null || keyFile === null ? {} : {
    cert: readPem(`${prefix}_CERT`, certFile, "certificate"),
    key: readPem(`${prefix}_KEY`, keyFile, "key"),
  };
  try {
    return Deno.createHttpClient({ ...authorities, ...identity });
  } catch (cause) {
    const files = [caFile, certFile, keyFile].filter((file) => file !== null).join(", ");
    throw new TlsError(`${files} can't be used: ${cause}`, { cause });
  }
}
