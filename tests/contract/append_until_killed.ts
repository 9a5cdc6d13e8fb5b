/**
 * A child process of the contract suite: opens a log, appends numbered events to partition 0 and
 * prints a line after each append that resolved. It ends when told to stop or when it is killed.
 *
 *     deno run -A append_until_killed.ts ADAPTER_MODULE LOCATION APPENDS
 */
import type { LogAdapter } from "./log_adapter.ts";

const [moduleUrl, location, appends] = Deno.args;
const { adapter } = await import(moduleUrl) as { adapter: LogAdapter };
const encoder = new TextEncoder();
const writer = await adapter.openWriter(location, 4);
for (let i = 0; i < Number(appends); i++) {
  const value = encoder.encode(`{"n":${i}}\n`);
  await writer.append([{ partition: 0, project: "p", receivedAtMs: 1, events: 1, value }]);
  Deno.stdout.writeSync(encoder.encode(`${i}\n`));
}
await writer.close();
