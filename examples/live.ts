/**
 * What happens right now: a window of the last minute, pushed each second. Ends after COUNT windows
 * (3 if it is not set).
 *
 *     deno run --allow-net --allow-env examples/live.ts
 */
import { AnalyticsClient } from "../lib/client/mod.ts";

const client = new AnalyticsClient({
  url: Deno.env.get("RTA_URL") ?? "http://127.0.0.1:8080",
  apiKey: Deno.env.get("RTA_API_KEY"),
});

let left = Number(Deno.env.get("COUNT") ?? 3);
for await (const message of client.live({ window_seconds: 60 })) {
  if (message.event === "missed") {
    console.log(`missed ${message.data.missed ?? "some"} windows`);
    continue;
  }
  const { metrics, timestamp } = message.data;
  const valueOf = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0;
  console.log(`${timestamp} ${valueOf("events")} events, ${valueOf("active_users")} users`);
  if (--left === 0) break;
}
