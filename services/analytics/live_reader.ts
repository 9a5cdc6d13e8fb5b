/**
 * One reader of a live stream and what it is given, in order:
 *
 *     window    a frame, about once a second
 *     events    sampled events of a tail, and a `second` with their numbers
 *     missed    so many frames or events were passed over: the reader was slow, or away for too long
 *     end       the stream ends, and why; then nothing more
 *
 * A reader has no queue. It is a place in what its view keeps for all readers, so its memory is the
 * same however slow it is. Whoever sends to a client asks for the next update only when the client's
 * connection takes more: that is all the back-pressure there is.
 */

/** A frame, shared by all readers of its view. */
export interface WindowUpdate<Answer> {
  readonly kind: "window";
  /** Its `window_id`. */
  readonly id: string;
  readonly answer: Answer;
  /** The answer as JSON. */
  readonly text: string;
}

/** A sampled event, shared by all readers of its tail. */
export interface TailItem {
  readonly id: string;
  /** JSON text. */
  readonly text: string;
}

export type LiveUpdate<Answer> =
  | WindowUpdate<Answer>
  | { readonly kind: "events"; readonly items: readonly TailItem[] }
  | {
    readonly kind: "second";
    /** The second's end, RFC 3339. */
    readonly timestamp: string;
    /** Events that were drawn in it ... */
    readonly sampled: number;
    /** ... and those of them that nobody is given, because they were too many. */
    readonly dropped: number;
  }
  | {
    readonly kind: "missed";
    /** Frames of windows, events of tails; null = not known how many. */
    readonly missed: number | null;
    /** The last one that the reader was given before them; null = none. */
    readonly after: string | null;
  }
  | { readonly kind: "end"; readonly code: LiveEndCode; readonly message: string };

/** Why a stream ends by itself. */
export type LiveEndCode = "shutting_down" | "unauthenticated";

/** Where a reader's updates lie. */
export interface LivePlace<Answer> {
  /** What comes next, and moves on; null = nothing for now. */
  take(): LiveUpdate<Answer> | null;
  /** Calls `wake` once, when there may be something. */
  whenNews(wake: () => void): void;
  /** Lets the place go. */
  leave(): void;
}

export class LiveReader<Answer> implements AsyncIterable<LiveUpdate<Answer>> {
  readonly #place: LivePlace<Answer>;
  #end: Extract<LiveUpdate<Answer>, { kind: "end" }> | null = null;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(place: LivePlace<Answer>) {
    this.#place = place;
  }

  /** The next update, as soon as there is one; null once the stream has ended. One call at a time. */
  async next(): Promise<LiveUpdate<Answer> | null> {
    for (;;) {
      if (this.#isClosed) return null;
      if (this.#end !== null) {
        this.close();
        return this.#end;
      }
      const update = this.#place.take();
      if (update !== null) return update;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#place.whenNews(resolve);
      });
    }
  }

  /** The reader goes. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#place.leave();
    this.#wake();
  }

  /** The stream ends: the reader is told so before anything else. */
  end(code: LiveEndCode, message: string): void {
    this.#end ??= { kind: "end", code, message };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LiveUpdate<Answer>, void> {
    try {
      for (let update = await this.next(); update !== null; update = await this.next()) {
        yield update;
      }
    } finally {
      this.close();
    }
  }
}
