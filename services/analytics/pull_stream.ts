/**
 * A body that is made only as fast as it is read: the next block is asked for when the one before has
 * been taken, with one in reserve. A reader that takes nothing for a while, or leaves, ends the work;
 * a failure cuts the body off, which a client sees: the connection is closed without the end that
 * HTTP has for a whole body.
 */

export interface PullOptions {
  /** A reader that takes nothing for so long is given up, ms. */
  readonly idleMs: number;
  /** Ends the making of blocks. */
  readonly abort: (reason: Error) => void;
  /** Called once: null = the body was read to its end. */
  readonly onEnd: (failure: unknown) => void;
}

/** The body made of `blocks`. */
export function pullStream(
  blocks: AsyncGenerator<Uint8Array>,
  { idleMs, abort, onEnd }: PullOptions,
): ReadableStream<Uint8Array> {
  const source = withReserve(blocks);
  let idle: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const end = (failure: unknown) => {
    clearTimeout(idle);
    if (ended) return;
    ended = true;
    if (failure !== null) abort(failure instanceof Error ? failure : new Error(String(failure)));
    // What it has open is closed by its own `finally`.
    source.return(undefined).catch(() => {}).finally(() => onEnd(failure));
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    idle = setTimeout(() => {
      const failure = new Error(`nothing was read for ${idleMs / 1_000} s`);
      controller.error(failure);
      end(failure);
    }, idleMs);
  };
  return new ReadableStream<Uint8Array>({
    start: watch,
    async pull(controller) {
      clearTimeout(idle);
      try {
        const { done, value } = await source.next();
        if (ended) return;
        if (done) {
          end(null);
          return controller.close();
        }
        controller.enqueue(value);
        watch(controller);
      } catch (error) {
        end(error);
        throw error;
      }
    },
    cancel(reason) {
      end(reason ?? new Error("the reader has left"));
    },
  }, { highWaterMark: 0 });
}

/** The same blocks, the next one being made while one is used. */
async function* withReserve(blocks: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const make = () => {
    const next = blocks.next();
    // Its failure is told when it is its turn.
    next.catch(() => {});
    return next;
  };
  let next = make();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = make();
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await blocks.return(undefined);
  }
}
