import type {
  ContentLink,
  Digest,
  ProxyCacheSettings,
  ProxyCacheSettingsReader,
  Reference,
  Repository,
} from '@breakwater/registry-core';
import type { ProxiedRepository, TagKey } from '../ports.js';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';
import type { ContentRoots } from '../postgres/content-roots.js';
import type { DigestUseTable } from '../postgres/digest-use-table.js';
import type { CachedTags } from '../tags/cached-tags.js';

/** A cached tag, or content that is used by digest, with the clocks that decide how long it is kept. */
export interface ExpirableTag {
  readonly repository: Repository;
  readonly reference: Reference;
  readonly digest: Digest;
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
  readonly stalenessPeriodS: number;
  /** 0 = for ever. */
  readonly expirationS: number;
  readonly pinned: boolean;
}

/** What is kept of an organization that proxies nothing, or another upstream, by now: a day, as by default. */
const ORPHANED = { stalenessPeriodS: 86_400, expirationS: 86_400 };

type Position =
  | { readonly table: 'tag'; readonly key: TagKey }
  | { readonly table: 'digest'; readonly repository?: ProxiedRepository; readonly digest?: Digest };

/** The view that garbage collection has of this cache. */
export class ExpirableTagsView {
  constructor(
    private readonly roots: ContentRoots,
    private readonly tagTable: CachedTagTable,
    private readonly digestTable: DigestUseTable,
    private readonly tags: CachedTags,
    private readonly settings: ProxyCacheSettingsReader,
  ) {}

  /** Everything that could expire, page by page: tags first, then content used by digest. */
  async list(
    cursor: string | undefined,
    limit: number,
  ): Promise<{ readonly tags: readonly ExpirableTag[]; readonly next: string | undefined }> {
    const position = cursor === undefined ? undefined : (JSON.parse(cursor) as Position);
    if (position?.table === 'digest') return this.#listDigests(position, limit);
    const rows = await this.tagTable.page(position?.key, limit);
    const tags = await Promise.all(
      rows.map(
        async ({ key, entry }): Promise<ExpirableTag> => ({
          ...entry,
          ...(await this.#periods(key.repository)),
          repository: key.repository,
          reference: { kind: 'tag', tag: key.tag },
        }),
      ),
    );
    const last = rows.at(-1);
    const next: Position =
      rows.length < limit || last === undefined ? { table: 'digest' } : { table: 'tag', key: last.key };
    return { tags, next: JSON.stringify(next) };
  }

  /** Removes those that are still exactly as they were listed. */
  async expire(tags: readonly ExpirableTag[]): Promise<readonly boolean[]> {
    const removed: boolean[] = [];
    for (const tag of tags) removed.push(await this.#expireOne(tag));
    return removed;
  }

  /** Which of these manifests something still points to. Hosted content is nothing that this cache knows of. */
  async needs(links: readonly ContentLink[]): Promise<readonly boolean[]> {
    const proxied = links.flatMap(({ repository, digest }, index) =>
      repository.upstream === undefined
        ? []
        : [{ repository: { ...repository, upstream: repository.upstream }, digest, index }],
    );
    const needed = await this.roots.pointTo(proxied);
    const result = links.map(() => false);
    proxied.forEach(({ index }, at) => {
      result[index] = needed[at] ?? true;
    });
    return result;
  }

  async #expireOne(tag: ExpirableTag): Promise<boolean> {
    const repository = { ...tag.repository, upstream: tag.repository.upstream ?? '' };
    if (tag.reference.kind === 'digest') return this.digestTable.remove({ ...tag, repository });
    const key = { repository, tag: tag.reference.tag };
    const removed = await this.tagTable.remove(key, tag);
    if (removed) this.tags.forget(key);
    return removed;
  }

  async #listDigests(
    position: Position & { table: 'digest' },
    limit: number,
  ): Promise<{ readonly tags: readonly ExpirableTag[]; readonly next: string | undefined }> {
    const { repository, digest } = position;
    const after = repository === undefined || digest === undefined ? undefined : { repository, digest };
    const rows = await this.digestTable.page(after, limit);
    const tags = await Promise.all(
      rows.map(
        async (use): Promise<ExpirableTag> => ({
          ...use,
          ...(await this.#periods(use.repository)),
          reference: { kind: 'digest', digest: use.digest },
          pinned: false,
        }),
      ),
    );
    const last = rows.at(-1);
    const next: Position | undefined =
      rows.length < limit || last === undefined
        ? undefined
        : { table: 'digest', repository: last.repository, digest: last.digest };
    return { tags, next: next === undefined ? undefined : JSON.stringify(next) };
  }

  async #periods(repository: ProxiedRepository): Promise<Pick<ProxyCacheSettings, 'stalenessPeriodS' | 'expirationS'>> {
    const settings = await this.settings.find(repository.organization);
    if (settings === undefined || settings.upstream !== repository.upstream) return ORPHANED;
    return { stalenessPeriodS: settings.stalenessPeriodS, expirationS: settings.expirationS };
  }
}
