/** Case `ring`: 200-byte frames between two workers, by ring and by postMessage. */
import type { BenchStudy } from "./bench_study.ts";
import { count } from "./bench_study.ts";
import { benchRing, RING_RATIO_MIN } from "./ring_bench.ts";

export const ringStudy: BenchStudy = {
  cases: ["ring"],
  about: "200-byte frames between two workers, by ring and by postMessage",
  async run({ settings }) {
    const { ringPerSecond, postMessagePerSecond, ratio } = await benchRing(settings.runs);
    return [{
      name: "ring: 200-byte frames from worker to worker",
      figure: `${count(ringPerSecond)} frames/s`,
      beside: `postMessage: ${count(postMessagePerSecond)} frames/s`,
      ratio: ratio.toFixed(1),
      bar: `>= ${RING_RATIO_MIN}`,
      met: ratio >= RING_RATIO_MIN,
    }];
  },
};
