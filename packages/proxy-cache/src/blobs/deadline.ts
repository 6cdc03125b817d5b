/** The longest that a timer of Node can be set to, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A deadline below another one. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #abort = () => {
    clearTimeout(this.#timer);
    this.#controller.abort();
  };
  readonly #began = performance.now();
  #timer: NodeJS.Timeout;
  #isCancelled = false;

  /** @param ms from now */
  constructor(
    private readonly parent: AbortSignal,
    private ms: number,
  ) {
    this.#timer = this.#set(ms);
    if (parent.aborted) this.#abort();
    else parent.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** It is no sooner than so many milliseconds after it was made. */
  allow(ms: number): void {
    if (ms <= this.ms || this.#isCancelled) return;
    this.ms = ms;
    clearTimeout(this.#timer);
    this.#timer = this.#set(ms - (performance.now() - this.#began));
  }

  /** Only the other one is left. */
  cancel(): void {
    this.#isCancelled = true;
    clearTimeout(this.#timer);
  }

  clear(): void {
    this.cancel();
    this.parent.removeEventListener('abort', this.#abort);
  }

  #set(ms: number): NodeJS.Timeout {
    return setTimeout(this.#abort, Math.min(Math.max(0, ms), LONGEST_TIMER_MS));
  }
}
