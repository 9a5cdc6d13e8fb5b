/** Memory and processor time of another process, from /proc/PID (Linux). */

const MIB_KIB = 1024;
const sampleMs = 250;
/** Unit of the times in /proc/PID/stat (USER_HZ), the same on every Linux that Deno runs on. */
const ticksPerSecond = 100;

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
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // After the name, which may hold anything: state is field 3, utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
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
