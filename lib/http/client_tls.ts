/** How another process is spoken to by TLS: whom it trusts, and the certificate that it shows. */
import type { ClientTlsConfig } from "../config/config.ts";
import { readPem, TlsError } from "./tls_files.ts";

/** A client for fetch; null = the usual one does. Throws TlsError. */
export function openTlsClient(config: ClientTlsConfig): Deno.HttpClient | null {
  const { caFile, certFile, keyFile } = config;
  if (caFile === null && certFile === null) return null;
  const authorities = caFile === null ? {} : {
    caCerts: [readPem("RTA_ANALYTICS_TLS_CA", caFile, "certificate")],
  };
  const identity = certFile === null || keyFile === null ? {} : {
    cert: readPem("RTA_ANALYTICS_TLS_CERT", certFile, "certificate"),
    key: readPem("RTA_ANALYTICS_TLS_KEY", keyFile, "key"),
  };
  try {
    return Deno.createHttpClient({ ...authorities, ...identity });
  } catch (cause) {
    const files = [caFile, certFile, keyFile].filter((file) => file !== null).join(", ");
    throw new TlsError(`${files} can't be used: ${cause}`, { cause });
  }
}
