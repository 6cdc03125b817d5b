/** Runs tasks a few at a time, the others in the order in which they came. What comes when too many wait is dropped. */
export class BoundedTurns {
  readonly #running = new Set<Promise<void>>();
  readonly #waiting: (() => Promise<void>)[] = [];
  #closed = false;

  constructor(
    private readonly maxAtATime: number,
    private readonly maxWaiting: number,
  ) {}

  /** False when the task was dropped. It must not reject. */
  run(task: () => Promise<void>): boolean {
    if (this.#closed || this.#waiting.length >= this.maxWaiting) return false;
    this.#waiting.push(task);
    this.#next();
    return true;
  }

  /** Forgets what waits, and resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.length = 0;
    await Promise.all(this.#running);
  }

  #next(): void {
    if (this.#running.size >= this.maxAtATime) return;
    const task = this.#waiting.shift();
    if (task === undefined) return;
    const running = task().finally(() => {
      this.#running.delete(running);
      this.#next();
    });
    this.#running.add(running);
  }
}
