/** The fault that RTA_FAULT has a shard play, for tests of what happens then. */
import type { ShardFault } from "../workers/protocol.ts";

/** Reads `shard-throw@20000`, `shard-hang@20000`, `shard-die@20000` and `shard-poison@TYPE`. */
export function faultOf(text: string | null): ShardFault | null {
  const poison = /^shard-poison@(.+)$/.exec(text ?? "");
  if (poison !== null) return { kind: "poison", eventType: poison[1] };
  const match = /^shard-(throw|hang|die)@(\d+)$/.exec(text ?? "");
  return match === null ? null : {
    kind: match[1] as "throw" | "hang" | "die",
    afterEvents: Number(match[2]),
  };
}
