/** The error of a sketch whose stored bytes are not what encode() writes. */

/** Bytes that cannot be decoded: the store is damaged, or a later version wrote them. */
export class SketchError extends Error {
  override readonly name = "SketchError";
  readonly code = "RTA_SKETCH_CORRUPT";
}
