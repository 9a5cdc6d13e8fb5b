/**
 * The second half of case `memory`: resident memory of the whole process while 5,000 events a
 * second come in one by one for a minute.
 */
import { withPlatform } from "./bench_platform.ts";
import { type BenchStudy, spread } from "./bench_study.ts";
import { STEADY_PER_SECOND, underLoad } from "./freshness_study.ts";
import { MemorySampler, readProcessMemory } from "./process_usage.ts";
import { median, quantile } from "./quantile.ts";

const MEMORY_MB_MAX = 384;

export const steadyMemoryStudy: BenchStudy = {
  cases: ["memory"],
  about: "resident memory at a steady 5,000 events/s",
  async run(context) {
    const { runs, steadySeconds } = context.settings;
    const peaksMb: number[] = [];
    const usualMb: number[] = [];
    for (let run = 0; run < runs; run++) {
      await withPlatform(context, {}, async (server) => {
        const sampler = new MemorySampler(server.pid);
        await underLoad(
          server.urls.ingestion,
          () => new Promise((resolve) => setTimeout(resolve, 1000 * steadySeconds)),
        );
        sampler.stop();
        usualMb.push(quantile(sampler.residentMb, 0.5));
        peaksMb.push(readProcessMemory(server.pid).peakMb);
      });
      context.say(
        `memory, run ${run + 1}: most ${peaksMb[run].toFixed(0)} MiB, ` +
          `median ${usualMb[run].toFixed(0)} MiB`,
      );
    }
    const rate = STEADY_PER_SECOND.toLocaleString("en-US");
    return [{
      name: `memory: most resident, ${rate} events/s for ${steadySeconds} s`,
      figure: `${spread(peaksMb, "MiB")}; median of samples ${median(usualMb).toFixed(0)} MiB`,
      beside: `limit: ${MEMORY_MB_MAX} MiB`,
      ratio: "",
      bar: `<= ${MEMORY_MB_MAX} MiB`,
      met: median(peaksMb) <= MEMORY_MB_MAX,
    }];
  },
};
