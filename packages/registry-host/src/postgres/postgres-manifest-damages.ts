import type { EventEmitter } from 'node:events';
import { type Clock, callDatabase, type Digest, type Logger } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { FoundBy, ManifestDamages } from '../storage/ports.js';
import type { StorageEvents } from '../storage/storage-events.js';
import { selectRows } from './sql.js';

/** The marks of manifests whose bytes are not what their digest says. */
export class PostgresManifestDamages implements ManifestDamages {
  readonly #database: Knex;
  readonly #clock: Clock;
  readonly #events: EventEmitter<StorageEvents>;
  readonly #logger: Logger;

  constructor(options: {
    readonly database: Knex;
    readonly clock: Clock;
    readonly events: EventEmitter<StorageEvents>;
    readonly logger: Logger;
  }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#logger = options.logger;
  }

  async found(digest: Digest, foundBy: FoundBy): Promise<void> {
    const damage = 'content';
    try {
      const rows = await callDatabase(
        () =>
          selectRows(
            this.#database,
            `INSERT INTO content_damage (kind, digest, generation, damage, found_at)
             SELECT 'manifest', digest, '', 'content', :at FROM manifest WHERE digest = :digest
             ON CONFLICT DO NOTHING RETURNING digest`,
            { digest, at: this.#clock.now() },
          ),
        { idempotent: true },
      );
      if (rows.length === 0) return;
      this.#events.emit('damaged', { kind: 'manifest', digest, damage, foundBy });
      this.#logger.error({ digest, damage, found_by: foundBy }, 'a stored manifest is damaged');
    } catch (error) {
      this.#logger.error({ digest, damage, err: error }, 'a stored manifest is damaged, which could not be noted');
    }
  }

  async cleared(digest: Digest): Promise<void> {
    try {
      const rows = await callDatabase(
        () =>
          selectRows(
            this.#database,
            `DELETE FROM content_damage WHERE kind = 'manifest' AND digest = :digest RETURNING digest`,
            { digest },
          ),
        { idempotent: true },
      );
      if (rows.length > 0) this.repaired(digest);
    } catch (error) {
      this.#logger.warn({ digest, err: error }, 'the mark of a manifest that is whole again could not be removed');
    }
  }

  repaired(digest: Digest): void {
    this.#events.emit('repaired', { kind: 'manifest', digest });
  }
}
