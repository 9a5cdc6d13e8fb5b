/**
 * Puts the calling thread behind the others of the process. Taking events in comes first: while the
 * cores are full, the main thread and the log's writer go ahead, and the log holds what the shards
 * have not come to yet. On an idle core it changes nothing.
 */
import { setPriority } from "node:os";

/** Nice value of a shard's thread: about a tenth of a main thread's share of a full core. */
const SHARD_NICE = 10;

/** Lowers the thread's priority where the system has priorities of threads (Linux); else nothing. */
export function lowerThreadPriority(): void {
  if (Deno.build.os !== "linux") return;
  // "<process>/task/<thread>"; a thread's id is a process id to setpriority(2).
  const thread = Number(Deno.readLinkSync("/proc/thread-self").split("/").pop());
  setPriority(thread, SHARD_NICE);
}
