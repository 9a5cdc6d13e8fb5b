/** A question can't be answered within the memory there is for it. */
export class TooManyRows extends Error {
  /** @param what "rows": one user has too many; "labels": there are too many texts. */
  constructor(readonly what: "rows" | "labels") {
    super(`too many ${what}`);
    this.name = "TooManyRows";
  }
}
