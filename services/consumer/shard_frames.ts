/** The frames of a shard's progress ring, dealt out by what they are. */
import { decodeProgress, LIVE_FRAME, PROGRESS_FRAME } from "../../lib/process/progress_frame.ts";
import type { Progress } from "../../lib/process/progress_frame.ts";
import type { RingReader } from "../../lib/ring/ring.ts";

export interface ShardFrameHandlers {
  readonly onProgress: (progress: Progress) => void;
  /** A frame of live partials; the bytes are the caller's. */
  readonly onLive: (frame: Uint8Array) => void;
  /** A frame for live streams (lib/live/pulse_frames.ts) of this shard; the bytes are the caller's. */
  readonly onPulse: (shard: number, kind: number, frame: Uint8Array) => void;
}

/** Deals out all frames that are there now. */
export function dealFrames(reader: RingReader, shard: number, handlers: ShardFrameHandlers): void {
  while (reader.peek()) {
    const { kind } = reader;
    if (kind === PROGRESS_FRAME) handlers.onProgress(decodeProgress(reader.view));
    else if (kind === LIVE_FRAME) handlers.onLive(reader.view.slice());
    else handlers.onPulse(shard, kind, reader.view.slice());
    reader.release();
  }
}
