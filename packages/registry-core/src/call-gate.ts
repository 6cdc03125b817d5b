interface Waiting {
  readonly begin: () => void;
}

/**
 * Lets so many calls of the file system run at a time, and ends the wait for each. Calls that a disk does not answer hold a
 * thread of the pool each, which name look-ups and passwords need as well (F125): so they must not get all of them.
 */
export class CallGate {
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  /** When a call ended last, monotonic. */
  #answeredAt = Number.NEGATIVE_INFINITY;

  /**
   * @param most calls at a time, fewer than the pool has threads
   * @param longestMs how long a call may take, and how long one waits for its turn while no call ends at all
   * @param stalled what a call that is given up fails with
   */
  constructor(
    private readonly most: number,
    private readonly longestMs: number,
    private readonly stalled: (longestMs: number) => Error,
  ) {}

  /**
   * Runs a call when it is its turn. One that is given up while it waits is never made; one that is given up while it runs
   * goes on, and keeps its turn until it ends: what it writes to must not be used any more.
   *
   * @param late told what a call that was given up resolves to in the end
   * @throws what `stalled` gives, and what the call fails with
   */
  run<T>(call: () => Promise<T>, late?: (result: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      let timer: NodeJS.Timeout;
      const giveUp = () => {
        isOver = true;
        this.#waiting.delete(waiting);
        reject(this.stalled(this.longestMs));
      };
      // After what has ended while this process was busy with something else: that is not the disk's fault.
      const later = (check: () => void) => void setImmediate(() => !isOver && check());
      // A disk that answers others is slow, not stalled.
      const giveUpIfQuiet = () => {
        if (!this.#waiting.has(waiting)) return;
        const leftMs = this.longestMs - (performance.now() - this.#answeredAt);
        if (leftMs <= 0) giveUp();
        else timer = setTimeout(later, leftMs, giveUpIfQuiet);
      };
      const waiting = {
        begin: () => {
          this.#waiting.delete(waiting);
          this.#running += 1;
          clearTimeout(timer);
          timer = setTimeout(later, this.longestMs, giveUp);
          call()
            .then((result) => (isOver ? late?.(result) : resolve(result)), reject)
            .finally(() => {
              isOver = true;
              clearTimeout(timer);
              this.#running -= 1;
              this.#answeredAt = performance.now();
              this.#next();
            });
        },
      };
      if (this.#running < this.most) return waiting.begin();
      timer = setTimeout(later, this.longestMs, giveUpIfQuiet);
      this.#waiting.add(waiting);
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.#running < this.most) first.begin();
  }
}
