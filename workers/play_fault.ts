/** Makes a shard fail on purpose (RTA_FAULT), for the tests of this program. */
import type { LogRecord } from "../lib/log/event_log.ts";
import type { ShardFault } from "./protocol.ts";

const decoder = new TextDecoder();

/**
 * Fails as `fault` says, given the record that was applied last and how many events were applied.
 * Poison is checked before anything else by whoever tries a record alone.
 */
export function playFault(fault: ShardFault | null, record: LogRecord, applied: number): void {
  if (fault === null) return;
  if (fault.kind === "poison") {
    const isPoison = decoder.decode(record.value).includes(`"${fault.eventType}"`);
    if (isPoison) throw new Error("fault played on request: this event is poison");
    return;
  }
  if (applied < fault.afterEvents) return;
  if (fault.kind === "throw") throw new Error("fault played on request: shard throws");
  if (fault.kind === "die") {
    setTimeout(() => {
      throw new Error("fault played on request: shard dies");
    });
    return;
  }
  for (;;); // a hang is a thread that never comes back
}
