import type { Clock, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import type { ImageChoices } from '../manifests/image-choices.js';
import type { TagKey } from '../ports.js';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';
import type { MissingContentTable } from '../postgres/missing-content-table.js';
import type { SignatureLookTable } from '../postgres/signature-look-table.js';
import type { WarmTable } from '../postgres/warm-table.js';
import type { CachedTags } from '../tags/cached-tags.js';

/** What nobody has fetched for so long is forgotten, in milliseconds; a pull of its image notes it anew. */
const KEEP_MISSING_MS = 30 * 24 * 3_600_000;
/** How long a request to warm can be asked about, in milliseconds. */
const KEEP_WARM_MS = 7 * 24 * 3_600_000;
const BATCH = 500;

/** Forgets what has no use any more although nobody pulls it: previous images, what was missing long ago, old looks. */
export class PruneCompletion {
  constructor(
    private readonly tagTable: CachedTagTable,
    private readonly tags: Pick<CachedTags, 'dropPrevious'>,
    private readonly missing: MissingContentTable,
    private readonly warm: Pick<WarmTable, 'removeBefore'>,
    private readonly looks: Pick<SignatureLookTable, 'removeBefore'>,
    private readonly choices: Pick<ImageChoices, 'inPlaceOf'>,
    private readonly settings: ProxyCacheSettingsReader,
    private readonly clock: Clock,
  ) {}

  /** @throws RegistryError UNAVAILABLE when the database cannot be asked */
  async run(): Promise<void> {
    const before = this.clock.now() - KEEP_MISSING_MS;
    while ((await this.missing.removeNotedBefore(before, BATCH)) === BATCH);
    while ((await this.warm.removeBefore(this.clock.now() - KEEP_WARM_MS, BATCH)) === BATCH);
    while ((await this.looks.removeBefore(before, BATCH)) === BATCH);
    let after: TagKey | undefined;
    do {
      const page = await this.tagTable.withPrevious(after, BATCH);
      for (const { key, entry } of page) {
        const settings = await this.settings.find(key.repository.organization);
        // The choice drops what has done its duty.
        if (settings?.upstream === key.repository.upstream) await this.choices.inPlaceOf(settings, key, entry);
        else await this.tags.dropPrevious(key, entry);
      }
      after = page.length === BATCH ? page.at(-1)?.key : undefined;
    } while (after !== undefined);
  }
}
