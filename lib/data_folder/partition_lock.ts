/**
 * The fence of one partition's files: whoever holds the lock may open them, nobody else does.
 *
 *     <folder>/partition-N.lock   held by an advisory lock of this open file (flock)
 *
 * The system drops the lock with its holder, whether that is closed, killed or crashes, so that a
 * partition can move between threads and between processes on one machine, and is never open twice.
 * The store's own lock would not do: it belongs to the process, and two threads of one process
 * would both get it. A holder that is stopped (SIGSTOP) keeps the lock: its partitions wait.
 */
import { PARTITION_LOCK_POLL_MS } from "../config/limits.ts";
import { waitUnlessAborted } from "../wait/abortable_wait.ts";

/** A held lock. */
export interface PartitionLock {
  readonly partition: number;
  /** Gives the partition free. Safe to call twice. */
  release(): void;
}

/** Takes the lock of a partition, or gives null when somebody else has it. */
export function tryLockPartition(folder: string, partition: number): PartitionLock | null {
  Deno.mkdirSync(folder, { recursive: true });
  const path = `${folder}/partition-${partition}.lock`;
  const file = Deno.openSync(path, { create: true, write: true });
  if (!file.tryLockSync(true)) {
    file.close();
    return null;
  }
  let held = true;
  return {
    partition,
    release() {
      if (held) file.close();
      held = false;
    },
  };
}

/**
 * Takes the lock of a partition as soon as it is free; null once `signal` is aborted. `onWait` is
 * called once when it is not free at first. The system has no signal for "free again" that could be
 * given up, so the lock is tried every PARTITION_LOCK_POLL_MS.
 */
export async function lockPartition(
  folder: string,
  partition: number,
  signal: AbortSignal,
  onWait: () => void,
): Promise<PartitionLock | null> {
  for (let waited = false; !signal.aborted;) {
    const lock = tryLockPartition(folder, partition);
    if (lock !== null) return lock;
    if (!waited) onWait();
    waited = true;
    // Aborted meanwhile: the loop ends.
    await waitUnlessAborted(PARTITION_LOCK_POLL_MS, signal).catch(() => {});
  }
  return null;
}
