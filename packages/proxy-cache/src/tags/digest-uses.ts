import type { Clock, Digest } from '@breakwater/registry-core';
import { contentKey } from '../manifests/hot-manifests.js';
import type { ProxiedRepository } from '../ports.js';
import type { DigestUseTable } from '../postgres/digest-use-table.js';
import { NotedUses } from './noted-uses.js';

/** Most uses that wait to be written. */
const MAX_NOTED = 50_000;

/** Uses of content by digest, noted in memory and written in batches. */
export class DigestUses {
  readonly #noted = new NotedUses<{ readonly repository: ProxiedRepository; readonly digest: Digest }>(MAX_NOTED);

  constructor(
    private readonly table: DigestUseTable,
    private readonly clock: Clock,
  ) {}

  /** `key` is the `contentKey` of both, for whoever has it already. */
  note(repository: ProxiedRepository, digest: Digest, key = contentKey(repository, digest)): void {
    this.#noted.note(key, this.clock.now(), { repository, digest });
  }

  /** Writes the noted uses; those that cannot be written now are kept for the next time. */
  flush(): Promise<void> {
    return this.#noted.flush((uses) => this.table.note(uses));
  }
}
