/**
 * Ports for brokers. They lie below the range that outgoing connections take theirs from: none can
 * take a broker's port while it is away, and no client that tries to connect to it meanwhile can by
 * chance connect to itself.
 */
const portMin = 20_000;
const portMax = 32_000;

/** Ports of 127.0.0.1 that nothing listens on now; another process may be quicker to take one. */
export function freePorts(count: number): number[] {
  const held: Deno.Listener[] = [];
  try {
    while (held.length < count) {
      const port = portMin + Math.floor(Math.random() * (portMax - portMin));
      try {
        held.push(Deno.listen({ hostname: "127.0.0.1", port }));
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
    return held.map((listener) => (listener.addr as Deno.NetAddr).port);
  } finally {
    for (const listener of held) listener.close();
  }
}
