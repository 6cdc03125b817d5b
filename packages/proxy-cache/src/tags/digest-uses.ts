import type { Clock, Digest } from '@breakwater/registry-core';
import { contentKey } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import type { DigestUseTable } from '../postgres/digest-use-table.js';

/** Most uses that wait to be written. */
const MAX_NOTED = 50_000;

interface NotedUse {
  readonly repository: ProxiedRepository;
  readonly digest: Digest;
  at: number;
}

/** Uses of content by digest, noted in memory and written in batches. */
export class DigestUses {
  readonly #noted = new Map<string, NotedUse>();

  constructor(
    private readonly table: DigestUseTable,
    private readonly clock: Clock,
  ) {}

  /** `key` is the `contentKey` of both, for whoever has it already. */
  note(repository: ProxiedRepository, digest: Digest, key = contentKey(repository, digest)): void {
    const noted = this.#noted.get(key);
    if (noted !== undefined) noted.at = this.clock.now();
    else if (this.#noted.size < MAX_NOTED) this.#noted.set(key, { repository, digest, at: this.clock.now() });
  }

  /** Writes the noted uses; those that cannot be written now are kept for the next time. */
  async flush(): Promise<void> {
    const uses = [...this.#noted.entries()];
    if (uses.length === 0) return;
    this.#noted.clear();
    try {
      await this.table.note(uses.map(([, use]) => use));
    } catch (error) {
      for (const [key, use] of uses) if (!this.#noted.has(key)) this.#noted.set(key, use);
      throw error;
    }
  }
}
