/** One end of the ring bench: sends or takes frames, over a ring or over a message port. */
import { RingReader, RingWriter } from "../../lib/ring/ring.ts";

/** What the bench tells its two workers. */
export interface RingBenchOrder {
  readonly role: "send" | "take";
  readonly ring: SharedArrayBuffer | null;
  readonly port: MessagePort | null;
  readonly frames: number;
  readonly frameBytes: number;
}

// The project's type library is a page's, which knows no worker's scope.
const scope = globalThis as unknown as {
  onmessage: (message: MessageEvent<RingBenchOrder>) => void;
  postMessage(message: unknown): void;
};

/** Waits this long for the other side before it says that the bench is stuck. */
const STUCK_MS = 30_000;

scope.onmessage = async (message) => {
  const { role, ring, port } = message.data;
  if (ring !== null) (role === "send" ? sendByRing : takeByRing)(ring, message.data);
  else if (port !== null) await (role === "send" ? sendByPort : takeByPort)(port, message.data);
  scope.postMessage("done");
};

function sendByRing(ring: SharedArrayBuffer, order: RingBenchOrder): void {
  const writer = new RingWriter(ring);
  const frame = new Uint8Array(order.frameBytes);
  for (let i = 0; i < order.frames; i++) {
    frame[0] = i & 0xff;
    while (!writer.tryWrite(1, frame)) {
      if (!writer.waitWritableSync(frame.length, STUCK_MS)) throw new Error("stuck: ring full");
    }
  }
}

function takeByRing(ring: SharedArrayBuffer, order: RingBenchOrder): void {
  const reader = new RingReader(ring);
  for (let i = 0; i < order.frames; i++) {
    if (!reader.peek() && !reader.waitReadableSync(STUCK_MS)) throw new Error("stuck: ring empty");
    checkFrame(reader.view, i, order.frameBytes);
    reader.release();
  }
}

function sendByPort(port: MessagePort, order: RingBenchOrder): void {
  const frame = new Uint8Array(order.frameBytes);
  for (let i = 0; i < order.frames; i++) {
    frame[0] = i & 0xff;
    port.postMessage(frame);
  }
  port.close();
}

function takeByPort(port: MessagePort, order: RingBenchOrder): Promise<void> {
  return new Promise((resolve) => {
    let taken = 0;
    port.onmessage = (message: MessageEvent<Uint8Array>) => {
      checkFrame(message.data, taken++, order.frameBytes);
      if (taken === order.frames) {
        port.close();
        resolve();
      }
    };
  });
}

function checkFrame(frame: Uint8Array, index: number, frameBytes: number): void {
  if (frame.length !== frameBytes || frame[0] !== (index & 0xff)) {
    throw new Error(`frame ${index} arrived wrong`);
  }
}
