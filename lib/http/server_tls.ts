/** The certificate and key that ports are served with, read from their files at the start. */
import type { TlsConfig } from "../config/config.ts";

/** Certificates in PEM, the server's own first, and its key. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
}

/** The certificate or the key can't be used. */
export class TlsError extends Error {
  readonly code = "RTA_TLS_UNUSABLE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TlsError";
  }
}

/** Reads both files. Throws TlsError. */
export function readServerTls(config: TlsConfig): ServerTls {
  const tls = {
    certificate: readPem("RTA_TLS_CERT", config.certFile, /-----BEGIN CERTIFICATE-----/),
    key: readPem("RTA_TLS_KEY", config.keyFile, /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/),
  };
  try {
    // Refused now, and for its own reason: not as a port that can't be opened.
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: tls.certificate, key: tls.key }).close();
  } catch (cause) {
    const files = `${config.certFile} and ${config.keyFile}`;
    throw new TlsError(`${files} are no certificate and its key: ${cause}`, { cause });
  }
  return tls;
}

function readPem(variable: string, file: string, form: RegExp): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (cause) {
    throw new TlsError(`${variable}=${file} can't be read: ${cause}`, { cause });
  }
  if (!form.test(text)) throw new TlsError(`${variable}=${file} is not such a file in PEM`);
  return text;
}
