/** A use that is to be written down. */
export type NotedUse<Subject> = Subject & { at: number };

/** Uses in memory, the last of each subject, until they are written. */
export class NotedUses<Subject extends object> {
  readonly #noted = new Map<string, NotedUse<Subject>>();

  /** @param most so many subjects wait at most; uses of further ones are not noted */
  constructor(private readonly most: number) {}

  /** @param key one to one with the subject */
  note(key: string, at: number, subject: Subject): void {
    const noted = this.#noted.get(key);
    if (noted !== undefined) noted.at = at;
    else if (this.#noted.size < this.most) this.#noted.set(key, { ...subject, at });
  }

  /** Has the noted uses written. When that fails they are kept for the next time, and it rejects. */
  async flush(write: (uses: readonly NotedUse<Subject>[]) => Promise<void>): Promise<void> {
    const uses = [...this.#noted];
    if (uses.length === 0) return;
    this.#noted.clear();
    try {
      await write(uses.map(([, use]) => use));
    } catch (error) {
      for (const [key, use] of uses) if (!this.#noted.has(key)) this.#noted.set(key, use);
      throw error;
    }
  }
}
