/**
 * Short ASCII texts, such as ids, from bytes to strings and back. A dozen characters at a time beat
 * both a loop over single ones, which leaves a string per character behind, and TextDecoder.
 */

/** The bytes of a text that is ASCII. */
export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Whether bytes[start, end) are ASCII. */
export function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let bits = 0;
  for (let at = start; at < end; at++) bits |= bytes[at];
  return bits < 0x80;
}

/** The text of bytes[start, end), which must be ASCII. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  let text = "", at = start;
  for (; at + 12 <= end; at += 12) {
    text += String.fromCharCode(
      bytes[at],
      bytes[at + 1],
      bytes[at + 2],
      bytes[at + 3],
      bytes[at + 4],
      bytes[at + 5],
      bytes[at + 6],
      bytes[at + 7],
      bytes[at + 8],
      bytes[at + 9],
      bytes[at + 10],
      bytes[at + 11],
    );
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]);
  return text;
}
