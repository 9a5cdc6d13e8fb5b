/** Files of certificates and keys in PEM, as settings name them. */

/** A certificate or a key can't be used. */
export class TlsError extends Error {
  readonly code = "RTA_TLS_UNUSABLE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TlsError";
  }
}

/** What stands in a file. */
const FORMS = {
  certificate: /-----BEGIN CERTIFICATE-----/,
  key: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/,
};

/** The text of the file that a setting names. Throws TlsError when it is none of its kind. */
export function readPem(variable: string, file: string, kind: keyof typeof FORMS): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (cause) {
    throw new TlsError(`${variable}=${file} can't be read: ${cause}`, { cause });
  }
  if (!FORMS[kind].test(text)) {
    throw new TlsError(`${variable}=${file} is not such a file in PEM`);
  }
  return text;
}
