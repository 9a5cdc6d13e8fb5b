/**
 * Case `kafka-visible`: how long after its success answer an event is counted in the summary, with
 * the log on Kafka, while 5,000 other events a second come in one by one.
 */
import { withPlatform } from "./bench_platform.ts";
import type { BenchRow, BenchStudy } from "./bench_study.ts";
import { probeSummary } from "./freshness_probe.ts";
import { STEADY_PER_SECOND, summarize, underLoad } from "./freshness_study.ts";
import { withKafka } from "./kafka_testbed.ts";
import { quantile } from "./quantile.ts";

const PARTITIONS = 8;
/** How records are written by default. */
const RECORDS = "single";
const P50_MS_MAX = 30;
const P99_MS_MAX = 120;
/** A broker's JVM, just started, needs seconds of this load until its code is compiled. */
const WARM_UP_MS = 15_000;

export const kafkaVisibleStudy: BenchStudy = {
  cases: ["kafka-visible"],
  about: "success answer until counted at 5,000 events/s, with the log on Kafka (needs Java 17)",
  async run(context) {
    const visible: number[][] = [];
    await withKafka(async (kafka) => {
      for (let run = 0; run < context.settings.runs; run++) {
        const topic = await kafka.createTopic("visible", PARTITIONS);
        const platform = { topic, partitions: PARTITIONS, records: RECORDS, roles: "all" } as const;
        const env = kafka.platformEnvironment(platform);
        const load = await withPlatform(
          context,
          { env },
          (server) =>
            underLoad(server.urls.ingestion, async () => {
              visible.push(await probeSummary(server.urls, context.settings.probes));
            }, WARM_UP_MS),
        );
        const [p50, p99] = [0.5, 0.99].map((q) => quantile(visible[run], q).toFixed(1));
        context.say(
          `kafka-visible, run ${run + 1}: load ${Math.round(load.perSecond)}/s answered in ` +
            `p50 ${load.p50Ms.toFixed(1)} ms, p99 ${load.p99Ms.toFixed(1)} ms; ` +
            `visible p50 ${p50} ms, p99 ${p99} ms`,
        );
        await kafka.deleteTopic(topic);
      }
    });
    return [visibleRow(visible)];
  },
};

function visibleRow(runs: readonly number[][]): BenchRow {
  const { p50, p99, figure } = summarize(runs);
  const rate = STEADY_PER_SECOND.toLocaleString("en-US");
  return {
    name: `kafka-visible: success answer until counted in the summary, at ${rate} events/s`,
    figure,
    beside: "",
    ratio: "",
    bar: `p50 <= ${P50_MS_MAX} ms, p99 <= ${P99_MS_MAX} ms`,
    met: p50 <= P50_MS_MAX && p99 <= P99_MS_MAX,
  };
}
