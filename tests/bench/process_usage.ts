/** Memory and processor time of another process, from /proc/PID (Linux). */

const MIB_KIB = 1024;
const sampleMs = 250;
const idleMs = 1_000;
const IDLE_SHARE = 0.05;
/** Unit of the times in /proc/PID/stat (USER_HZ), the same on every Linux that Deno runs on. */
const ticksPerSecond = 100;
/** Fields of /proc/PID/stat, counted from 1; the time in the kernel follows each. */
const UTIME_FIELD = 14;
const CUTIME_FIELD = 16;

/** Resident memory, MiB. */
export interface ProcessMemory {
  /** Now: VmRSS. */
  readonly residentMb: number;
  /** The most since the process started: VmHWM. */
  readonly peakMb: number;
}

/** Reads both figures at once. Throws when the process is gone. */
export function readProcessMemory(pid: number): ProcessMemory {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const mib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? NaN) / MIB_KIB;
  return { residentMb: mib("VmRSS"), peakMb: mib("VmHWM") };
}

/** Processor time that all threads have used since the process started, s. */
export function readProcessorSeconds(pid: number): number {
  return ticksOf(pid, UTIME_FIELD) / ticksPerSecond;
}

/** Resolves when a process has used less than a twentieth of a core for a second; throws at last. */
export async function untilIdle(pid: number, deadlineMs: number): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs;
  for (let before = readProcessorSeconds(pid); performance.now() < giveUpAt;) {
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const used = readProcessorSeconds(pid) - before;
    if (used < IDLE_SHARE * idleMs / 1_000) return;
    before += used;
  }
  throw new Error(`process ${pid} is not idle within ${deadlineMs} ms`);
}

/** Processor time of all children of this process that have ended and were waited for, s. */
export function readChildrenSeconds(): number {
  return ticksOf(Deno.pid, CUTIME_FIELD) / ticksPerSecond;
}

/** Sum of a time and the one that follows it, which is the same within the kernel. */
function ticksOf(pid: number, field: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // After the name, which may hold anything, the state is the third field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[field - 3]) + Number(fields[field - 2]);
}

/** Reads the resident memory four times a second until it is stopped. */
export class MemorySampler {
  /** What was read, MiB. */
  readonly residentMb: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      try {
        this.residentMb.push(readProcessMemory(pid).residentMb);
      } catch {
        this.stop(); // the process has ended; whoever waits for it says so
      }
    }, sampleMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
