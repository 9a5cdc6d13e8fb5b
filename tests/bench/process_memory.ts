/** Resident memory of a process, from /proc/PID/status (Linux). */

const MIB_KIB = 1024;
const sampleMs = 250;

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
