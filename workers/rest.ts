/** The rest of a loop between two turns: until a time, until something happens, or until woken. */
export class Rest {
  #end: () => void = () => {};

  /** Until `ms` are over (Infinity: never), `event` happens, or wake() is called meanwhile. */
  async until(ms: number, event: Promise<void> | null): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
      if (ms < Infinity) timer = setTimeout(resolve, ms);
    });
    await (event === null ? ended : Promise.race([event, ended]));
    clearTimeout(timer);
    this.#end = () => {};
  }

  /** Ends the rest under way, if there is one. */
  wake(): void {
    this.#end();
  }
}
