/** UUIDv7 (RFC 9562, 5.7): ids that begin with their time, made where `crypto` is the web's. */

const TIME_BYTES = 6;

/** A new id. @param nowMs ms since the epoch */
export function uuidV7(nowMs: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < TIME_BYTES; i++) {
    bytes[i] = Math.floor(nowMs / 256 ** (TIME_BYTES - 1 - i)) & 0xff;
  }
  bytes[6] = 0x70 | bytes[6] & 0x0f;
  bytes[8] = 0x80 | bytes[8] & 0x3f;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
