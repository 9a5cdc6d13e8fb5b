/**
 * ZipfSampler: ranks 1 to n where rank k is drawn in proportion to 1 / k^exponent, as users of real
 * services are active.
 *
 * Rejection-inversion after W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996: constant memory for any n, and less
 * than 1.1 tries per rank. H below is the integral of h(x) = x^-exponent.
 */
import type { SeededRandom } from "./seeded_random.ts";

/** Draws ranks. */
export class ZipfSampler {
  readonly #ranks: number;
  readonly #exponent: number;
  readonly #highest: number;
  readonly #lowest: number;
  readonly #shortcut: number;

  /**
   * @param ranks how many there are, at least 1
   * @param exponent above 0; 1 is Zipf's own law
   */
  constructor(ranks: number, exponent: number) {
    if (!Number.isSafeInteger(ranks) || ranks < 1) throw new RangeError("ranks: at least 1");
    if (!(exponent > 0)) throw new RangeError("exponent: above 0");
    this.#ranks = ranks;
    this.#exponent = exponent;
    this.#lowest = this.#integral(1.5) - 1;
    this.#highest = this.#integral(ranks + 0.5);
    this.#shortcut = 2 - this.#inverse(this.#integral(2.5) - this.#density(2));
  }

  /** A rank from 1 (the likeliest) to `ranks`. */
  draw(random: SeededRandom): number {
    for (;;) {
      const u = this.#highest + random.next() * (this.#lowest - this.#highest);
      const x = this.#inverse(u);
      const rank = Math.min(this.#ranks, Math.max(1, Math.floor(x + 0.5)));
      if (rank - x <= this.#shortcut) return rank;
      if (u >= this.#integral(rank + 0.5) - this.#density(rank)) return rank;
    }
  }

  #density(x: number): number {
    return Math.exp(-this.#exponent * Math.log(x));
  }

  #integral(x: number): number {
    const log = Math.log(x);
    return expm1Over((1 - this.#exponent) * log) * log;
  }

  #inverse(area: number): number {
    const scaled = Math.max(-1, area * (1 - this.#exponent));
    return Math.exp(log1pOver(scaled) * area);
  }
}

/** (e^x - 1) / x, also near 0, where exponents close to 1 lead. */
function expm1Over(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x / 2 * (1 + x / 3);
}

/** log(1 + x) / x, also near 0. */
function log1pOver(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x * (1 / 2 - x / 3);
}
