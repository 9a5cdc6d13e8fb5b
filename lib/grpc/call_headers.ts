/** What headers say of a call (github.com/grpc/grpc, PROTOCOL-HTTP2). */
import { Buffer } from "node:buffer";

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Ms of a `grpc-timeout`, such as `500m`; null = none, or not one. */
export function timeoutMsOf(text: string | null): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text ?? "");
  return match === null ? null : Number(match[1]) * UNITS_MS[match[2]];
}

/** `grpc-timeout` of a time left, at least 1 ms. */
export function timeoutText(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms));
  return whole < 1e8 ? `${whole}m` : `${Math.min(99_999_999, Math.ceil(whole / 1_000))}S`;
}

/** Whether a content-type is that of gRPC with protobuf messages. */
export function isGrpcType(type: string | null): boolean {
  return /^application\/grpc(?:\+proto)?(?:;.*)?$/.test(type ?? "");
}

/** A text as `grpc-message` carries it: percent-encoded UTF-8. */
export function encodeGrpcMessage(text: string): string {
  return Buffer.from(text, "utf8").reduce((encoded, byte) => {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    const hex = byte.toString(16).toUpperCase().padStart(2, "0");
    return encoded + (isPlain ? String.fromCharCode(byte) : `%${hex}`);
  }, "");
}

/** The text of a `grpc-message`; what is not well encoded stays as it is. */
export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Bytes as a header whose name ends with `-bin` carries them. */
export function binaryText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
