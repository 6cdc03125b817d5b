import {
  type Clock,
  callDatabase,
  type Digest,
  digestAlgorithm,
  digestOf,
  LARGEST_MANIFEST_BYTES,
  type ManifestMediaType,
  type ManifestStore,
  manifestReferences,
  parseManifest,
  RegistryError,
  type Repository,
  referrerType,
  type StoredManifest,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { ManifestDamages } from '../storage/ports.js';
import { storageError } from '../storage/storage-error.js';
import { repositoryColumns, selectRows } from './sql.js';

/**
 * Manifests in Postgres, bytes and all, hashed whenever they are read (F121). Damaged ones are marked; in a proxied
 * repository they are then a miss, because the upstream has them, and in a hosted one a failure of the store. The next put
 * of the same digest makes them whole and keeps the wrong bytes in quarantine.
 *
 * Lock order, here and in the sweep: the content row (manifest or blob), then links. A put waits for links only while
 * it holds one content row; a removal never waits for a link. So they cannot wait for each other.
 */
export class PostgresManifestStore implements ManifestStore {
  readonly #database: Knex;
  readonly #clock: Clock;
  readonly #damages: ManifestDamages | undefined;

  constructor(options: { readonly database: Knex; readonly clock: Clock; readonly damages?: ManifestDamages }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#damages = options.damages;
  }

  /**
   * @throws RegistryError UNAVAILABLE (detail.reason "database")
   * @throws RegistryError UNAVAILABLE (detail.problem "CONTENT_DAMAGED") in a hosted repository
   */
  async get(repository: Repository, digest: Digest): Promise<StoredManifest | undefined> {
    const [row] = await callDatabase(
      () =>
        selectRows<{ media_type: ManifestMediaType; bytes: Uint8Array }>(
          this.#database,
          `SELECT l.media_type, m.bytes
             FROM content_link l JOIN manifest m ON m.digest = l.digest
            WHERE l.organization = :organization AND l.upstream = :upstream AND l.repository = :repository
              AND l.kind = 'manifest' AND l.digest = :digest`,
          { ...repositoryColumns(repository), digest },
        ),
      { idempotent: true },
    );
    if (row === undefined) return undefined;
    if (digestOf(row.bytes, digestAlgorithm(digest)) === digest) {
      return { digest, mediaType: row.media_type, bytes: row.bytes };
    }
    await this.#damages?.found(digest, 'read');
    if (repository.upstream !== undefined) return undefined;
    throw storageError('CONTENT_DAMAGED', 'the stored manifest is damaged and has to be pushed again');
  }

  /**
   * @throws RegistryError DIGEST_INVALID when the bytes are not those of the digest, MANIFEST_INVALID when they are no
   * manifest of that type, UNAVAILABLE (detail.reason "database")
   */
  async put(repository: Repository, manifest: StoredManifest): Promise<void> {
    if (digestOf(manifest.bytes, digestAlgorithm(manifest.digest)) !== manifest.digest) {
      throw new RegistryError('DIGEST_INVALID', `the manifest's bytes do not match ${manifest.digest}`);
    }
    const parsed = parseManifest(manifest.bytes, manifest.mediaType, LARGEST_MANIFEST_BYTES);
    const references = manifestReferences(parsed);
    const bindings = {
      ...repositoryColumns(repository),
      digest: manifest.digest,
      mediaType: manifest.mediaType,
      bytes: Buffer.from(manifest.bytes.buffer, manifest.bytes.byteOffset, manifest.bytes.byteLength),
      size: manifest.bytes.byteLength,
      kinds: references.map((each) => each.kind),
      digests: references.map((each) => each.descriptor.digest),
      at: this.#clock.now(),
      subject: parsed.subject?.digest ?? null,
      artifactType: storable(referrerType(parsed)),
      annotations: storable(parsed.annotations && JSON.stringify(parsed.annotations)),
    };
    const repaired = await callDatabase(
      () => this.#database.transaction((transaction) => store(transaction, bindings)),
      { idempotent: true },
    );
    if (repaired) this.#damages?.repaired(manifest.digest);
  }
}

/** Postgres text cannot hold NUL, and no media type or annotation worth listing has one. */
function storable(text: string | undefined): string | null {
  return text === undefined || text.includes('\0') ? null : text;
}

/** Resolves to true when what was there had been found damaged. */
async function store(
  transaction: Knex.Transaction,
  bindings: Readonly<Record<string, Knex.RawBinding>>,
): Promise<boolean> {
  const [stored] = await selectRows<{ repaired: boolean }>(
    transaction,
    `WITH given AS (SELECT CAST(:digest AS text) AS digest, CAST(:bytes AS bytea) AS bytes),
       kept AS (
         INSERT INTO manifest_quarantine (digest, quarantined_at, bytes)
         SELECT m.digest, :at, m.bytes FROM manifest m JOIN given ON given.digest = m.digest AND given.bytes <> m.bytes
         ON CONFLICT DO NOTHING),
       unmarked AS (
         DELETE FROM content_damage d USING given WHERE d.kind = 'manifest' AND d.digest = given.digest
         RETURNING d.digest)
     INSERT INTO manifest (digest, bytes, size) SELECT digest, bytes, :size FROM given
     ON CONFLICT (digest) DO UPDATE SET
       unlinked_since = NULL,
       -- Bytes that are the same are not written again.
       bytes = CASE WHEN manifest.bytes = excluded.bytes THEN manifest.bytes ELSE excluded.bytes END,
       size = excluded.size
     RETURNING EXISTS (SELECT FROM unmarked) AS repaired`,
    bindings,
  );
  await selectRows(
    transaction,
    `INSERT INTO manifest_reference (digest, kind, referenced_digest)
     SELECT DISTINCT :digest, r.kind, r.digest
       FROM unnest(CAST(:kinds AS text[]), CAST(:digests AS text[])) AS r (kind, digest)
     ON CONFLICT DO NOTHING`,
    bindings,
  );
  if (bindings['subject'] !== null) {
    await selectRows(
      transaction,
      `INSERT INTO manifest_subject (digest, subject, artifact_type, annotations)
       VALUES (:digest, :subject, :artifactType, :annotations) ON CONFLICT DO NOTHING`,
      bindings,
    );
  }
  // Always later than before, whatever the clocks of two processes say: a removal that was planned sees that it moved.
  await selectRows(
    transaction,
    `INSERT INTO content_link (organization, upstream, repository, kind, digest, media_type, linked_at, used_at)
     VALUES (:organization, :upstream, :repository, 'manifest', :digest, :mediaType, :at, :at)
     ON CONFLICT (organization, upstream, repository, kind, digest)
       DO UPDATE SET used_at = greatest(content_link.used_at + 1, excluded.used_at)`,
    bindings,
  );
  // A removal that has what this manifest needs in hand is waited for; one that begins later sees this manifest.
  await selectRows(
    transaction,
    `SELECT FROM content_link l
       JOIN unnest(CAST(:kinds AS text[]), CAST(:digests AS text[])) AS r (kind, digest)
         ON l.kind = r.kind AND l.digest = r.digest
      WHERE l.organization = :organization AND l.upstream = :upstream AND l.repository = :repository
      ORDER BY l.kind, l.digest
        FOR KEY SHARE OF l`,
    bindings,
  );
  return stored?.repaired ?? false;
}
