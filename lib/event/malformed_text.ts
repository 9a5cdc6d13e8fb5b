/**
 * Whether a protobuf message held malformed UTF-8, told after a decoder that mends: it writes U+FFFD
 * for each malformed byte, so there are more of them in its texts than were sent.
 */

const REPLACEMENT = "\ufffd";
/** U+FFFD in UTF-8. */
const REPLACEMENT_BYTES = [0xef, 0xbf, 0xbd];

/**
 * @param bytes the message
 * @param text all of its texts, such as the JSON of the decoded message
 */
export function hadMalformedText(bytes: Uint8Array, text: string): boolean {
  return text.includes(REPLACEMENT) && text.split(REPLACEMENT).length - 1 !== countSent(bytes);
}

function countSent(bytes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i + 2 < bytes.length; i++) {
    if (REPLACEMENT_BYTES.every((byte, offset) => bytes[i + offset] === byte)) count++;
  }
  return count;
}
