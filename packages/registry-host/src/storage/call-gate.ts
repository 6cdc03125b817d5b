import { storageError } from './storage-error.js';

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

  /**
   * @param most calls at a time, fewer than the pool has threads
   * @param longestMs how long a call, and the wait for its turn, may take in all
   */
  constructor(
    private readonly most: number,
    private readonly longestMs: number,
  ) {}

  /**
   * Runs a call when it is its turn. One that is given up while it waits is never made; one that is given up while it runs
   * goes on, and keeps its turn until it ends: what it writes to must not be used any more.
   *
   * @param late told what a call that was given up resolves to in the end
   * @throws RegistryError UNAVAILABLE (detail.problem "STORE_STALLED"), and what the call fails with
   */
  run<T>(call: () => Promise<T>, late?: (result: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const waiting = {
        begin: () => {
          this.#waiting.delete(waiting);
          this.#running += 1;
          call()
            .then((result) => (isOver ? late?.(result) : resolve(result)), reject)
            .finally(() => {
              clearTimeout(timer);
              this.#running -= 1;
              this.#next();
            });
        },
      };
      const timer = setTimeout(() => {
        isOver = true;
        this.#waiting.delete(waiting);
        reject(storageError('STORE_STALLED', `the file system has not answered for ${this.longestMs / 1000} s`));
      }, this.longestMs);
      if (this.#running < this.most) waiting.begin();
      else this.#waiting.add(waiting);
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.#running < this.most) first.begin();
  }
}
