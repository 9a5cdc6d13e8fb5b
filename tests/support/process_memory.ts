/** Memory of another process, from /proc/PID/status (Linux), for tests of what it may take. */

const KIB = 1024;

/** Memory that a process has in use now, bytes. Throws when it is gone. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The most that a process has had in use since it started, bytes. Throws when it is gone. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

function statusBytes(pid: number, name: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)![1]) * KIB;
}
