/**
 * UTF-8 to and from strings for the PURE folders.
 *
 * PURE code is type-checked with lib "esnext" alone, which has no TextEncoder or TextDecoder. Both
 * are free of I/O, so they are typed here, once, and taken from globalThis.
 */

interface Utf8Encoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}

interface Utf8Decoder {
  decode(bytes: Uint8Array): string;
}

interface CodingScope {
  readonly TextEncoder: new () => Utf8Encoder;
  readonly TextDecoder: new (
    label: "utf-8",
    options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
  ) => Utf8Decoder;
}

const scope = globalThis as unknown as CodingScope;
const encoder = new scope.TextEncoder();
// ignoreBOM: a byte order mark stays in the text, where JSON.parse refuses it (RFC 8259, 8.1).
const decoder = new scope.TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a string; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/**
 * The text of UTF-8 bytes, a byte order mark included. Bytes in shared memory are copied first,
 * because a decoder may refuse to read them while another thread could write.
 *
 * @throws TypeError when the bytes are not well-formed UTF-8 (overlong forms, surrogates, beyond
 *   U+10FFFF, cut off).
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : bytes);
}
