/** Counts what the messages of a process hold while they come in and are worked on. */
import { GRPC_MESSAGES_BYTES_MAX } from "../config/grpc_limits.ts";
import { ProblemError } from "../http/problem.ts";

export class HeldBytes {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = GRPC_MESSAGES_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sets what one call holds, `held` until now; gives `bytes`. Throws ProblemError overloaded. */
  set(held: number, bytes: number): number {
    const total = this.#bytes - held + bytes;
    if (bytes > held && total > this.#bytesMax) {
      throw new ProblemError("overloaded", "messages under way hold too many bytes; try again");
    }
    this.#bytes = total;
    return bytes;
  }
}
