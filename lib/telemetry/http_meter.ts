/** Counts the requests of one role: those under way, and those answered by status. */

const STATUS_END = 600;

export class HttpMeter {
  /** Requests under way. */
  active = 0;
  readonly #answered = new Float64Array(STATUS_END);

  /** A request begins. */
  begin(): void {
    this.active++;
  }

  /** A request was answered with this HTTP status. */
  end(status: number): void {
    this.active--;
    if (status >= 0 && status < STATUS_END) this.#answered[status]++;
  }

  /** Calls `each` for every status that was answered at least once. */
  forEach(each: (status: number, count: number) => void): void {
    this.#answered.forEach((count, status) => {
      if (count > 0) each(status, count);
    });
  }
}
