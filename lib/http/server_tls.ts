/** The certificates and the key that ports are served with, read from their files at the start. */
import { X509Certificate } from "node:crypto";
import type { TlsConfig } from "../config/config.ts";
import { readPem, TlsError } from "./tls_files.ts";

/** Certificates in PEM, the server's own first, and its key. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  /**
   * Authorities in PEM, one of which has to have signed the certificate of each client; null = no
   * client is asked for one.
   */
  readonly clientAuthorities: string | null;
}

/** Reads the files. Throws TlsError. */
export function readServerTls(config: TlsConfig): ServerTls {
  const { clientCaFile } = config;
  const tls = {
    certificate: readPem("RTA_TLS_CERT", config.certFile, "certificate"),
    key: readPem("RTA_TLS_KEY", config.keyFile, "key"),
    clientAuthorities: clientCaFile === null
      ? null
      : readPem("RTA_TLS_CLIENT_CA", clientCaFile, "certificate"),
  };
  try {
    // Refused now, and for its own reason: not as a port that can't be opened.
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: tls.certificate, key: tls.key }).close();
  } catch (cause) {
    const files = `${config.certFile} and ${config.keyFile}`;
    throw new TlsError(`${files} are no certificate and its key: ${cause}`, { cause });
  }
  if (tls.clientAuthorities !== null) checkAuthorities(clientCaFile!, tls.clientAuthorities);
  return tls;
}

/** What can't be read would be an authority that signed nobody: every client would be refused. */
function checkAuthorities(file: string, text: string): void {
  for (const [pem] of text.matchAll(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new TlsError(`RTA_TLS_CLIENT_CA=${file} is no certificate: ${cause}`, { cause });
    }
  }
}
