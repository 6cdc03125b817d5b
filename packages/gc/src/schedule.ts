/** Runs are spread by up to this part of the interval either way, so that replicas do not all start at once. */
const JITTER = 0.1;

/** Runs something on an interval, one at a time: the next wait begins when the run has ended. */
export class Schedule {
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #started = false;

  /** @param run whose failure is nobody's business here: the schedule goes on */
  constructor(
    private readonly intervalMs: number,
    private readonly run: () => Promise<void>,
  ) {}

  /** Begins with a wait: at its start a process has better things to do. Does nothing when begun already, or stopped. */
  start(): void {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#wait();
  }

  /** No run begins after this. One that is in flight is not waited for here. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#stopped) return;
    const spread = 1 + JITTER * (2 * Math.random() - 1);
    this.#timer = setTimeout(() => {
      const again = () => this.#wait();
      this.run().then(again, again);
    }, this.intervalMs * spread);
    // A collector must not keep a process alive that has nothing else to do.
    this.#timer.unref();
  }
}
