import {
  type CollectionRun,
  type Digest,
  formatReference,
  type OrganizationName,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  type Reference,
  type Repository,
  type RepositoryName,
  type Tag,
} from '@breakwater/registry-core';
import type { ProxiedRepository } from '../ports.js';
import {
  type ContentRoot,
  type ContentRoots,
  type DueBounds,
  dueClock,
  type RootGroup,
  type RootKind,
  type RootPosition,
  referenceOf,
} from '../postgres/content-roots.js';
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

/** Which tags to list. */
export interface ExpirableTagQuery {
  readonly organization?: OrganizationName | undefined;
  /** Tags that cannot have expired by this time (ms since the epoch) may be left out. */
  readonly dueAt?: number | undefined;
  /** What is left out, with `dueAt`. */
  readonly except?: readonly RootGroup[] | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A page of them. */
export interface ExpirableTagPage {
  readonly tags: readonly ExpirableTag[];
  readonly next: string | undefined;
}

/** What is kept of an organization that proxies nothing, or another upstream, by now: a day, as by default. */
const ORPHANED = { stalenessPeriodS: 86_400, expirationS: 86_400 };

/** Organizations that are looked through in one call, so that its work is bounded. */
const GROUPS_PER_PAGE = 200;

/** After every time there is: 9999-12-31, ms since the epoch. */
const FAR_AHEAD = 253_402_214_400_000;

interface Position {
  readonly kind: RootKind;
  /** Within this group go on after `after`, or go on with the group after it. */
  readonly group?: RootGroup | undefined;
  readonly after?: RootPosition | undefined;
}

/** The view that garbage collection has of this cache. */
export class ExpirableTagsView {
  constructor(
    private readonly roots: ContentRoots,
    private readonly tags: CachedTags,
    private readonly settings: ProxyCacheSettingsReader,
  ) {}

  /** What could expire, page by page: tags first, then content used by digest. A page may be empty before the end. */
  async list(query: ExpirableTagQuery): Promise<ExpirableTagPage> {
    const position: Position = query.cursor === undefined ? { kind: 'tag' } : (JSON.parse(query.cursor) as Position);
    return query.dueAt === undefined ? this.#page(query, position) : this.#due(query, query.dueAt, position);
  }

  /** The cached tag, or the use by digest, of that name: one for each upstream that it came from. */
  async named(of: {
    readonly organization: OrganizationName;
    readonly repository: RepositoryName;
    readonly reference: Reference;
  }): Promise<readonly ExpirableTag[]> {
    const { organization, repository, reference } = of;
    const name = formatReference(reference);
    return this.#expirable(await this.roots.named(reference.kind, organization, repository, name));
  }

  /** Removes those that are still exactly as they were listed. One boolean each. */
  async expire(tags: readonly ExpirableTag[], run: CollectionRun): Promise<readonly boolean[]> {
    const removed = tags.map(() => false);
    for (const kind of ['tag', 'digest'] as const) {
      const chosen = tags.flatMap((tag, index) => (tag.reference.kind === kind ? [{ root: toRoot(tag), index }] : []));
      const gone = await this.roots.remove(
        kind,
        chosen.map(({ root }) => root),
        run,
      );
      for (const [at, { root, index }] of chosen.entries()) {
        if (gone[at] !== true) continue;
        removed[index] = true;
        if (kind === 'tag') this.tags.forget({ repository: root.repository, tag: root.reference as Tag });
      }
    }
    return removed;
  }

  /** The tags, and uses by digest, that point to each of these manifests; of tags at most `most` each. */
  async pointingTo(
    manifests: readonly { readonly repository: Repository; readonly digest: Digest }[],
    most: number,
  ): Promise<readonly (readonly ExpirableTag[])[]> {
    // Hosted content is nothing that this cache knows of.
    const proxied = manifests.flatMap(({ repository, digest }, index) =>
      repository.upstream === undefined
        ? []
        : [{ repository: { ...repository, upstream: repository.upstream }, digest, index }],
    );
    const pointing = await this.roots.pointingTo(proxied, most);
    const result: (readonly ExpirableTag[])[] = manifests.map(() => []);
    for (const [at, { index }] of proxied.entries()) result[index] = await this.#expirable(pointing[at] ?? []);
    return result;
  }

  /** The quotas of organizations that have cached something, page by page. */
  async quotas(
    organization: OrganizationName | undefined,
    cursor: string | undefined,
  ): Promise<{
    readonly quotas: readonly (RootGroup & { readonly quotaBytes: number })[];
    readonly next: string | undefined;
  }> {
    const quotas: (RootGroup & { readonly quotaBytes: number })[] = [];
    let group = cursor === undefined ? undefined : (JSON.parse(cursor) as RootGroup);
    for (let looked = 0; looked < GROUPS_PER_PAGE; looked += 1) {
      group = await this.roots.nextGroupOfAny(organization, group);
      if (group === undefined) return { quotas, next: undefined };
      const settings = await this.settings.find(group.organization);
      const quotaBytes = settings?.upstream === group.upstream ? (settings.quotaBytes ?? undefined) : undefined;
      if (quotaBytes !== undefined) quotas.push({ ...group, quotaBytes });
    }
    return { quotas, next: JSON.stringify(group) };
  }

  /**
   * Tags, pinned ones left out, and uses by digest, that were last used before a time, the longest ago first, of one time
   * tags before digests; with `after` those that come after one of them.
   */
  async leastRecentlyUsed(
    of: RootGroup,
    usedBefore: number,
    limit: number,
    after?: ExpirableTag,
  ): Promise<readonly ExpirableTag[]> {
    const bounds = { usedBefore, confirmedBefore: FAR_AHEAD };
    const found = await Promise.all(
      (['tag', 'digest'] as const).map((kind) => this.roots.due(kind, of, bounds, afterAmong(kind, of, after), limit)),
    );
    const oldest = found.flat().sort((one, other) => one.lastUsedAt - other.lastUsedAt);
    return this.#expirable(oldest.slice(0, limit));
  }

  async #page(query: ExpirableTagQuery, { kind, after }: Position): Promise<ExpirableTagPage> {
    const roots = await this.roots.page(kind, query.organization, after, query.limit);
    const last = roots.at(-1);
    const goesOn = last !== undefined && roots.length === query.limit;
    return {
      tags: await this.#expirable(roots),
      next: goesOn ? write({ kind, after: positionOf(last) }) : nextKind(kind),
    };
  }

  async #due(query: ExpirableTagQuery, dueAt: number, { kind, group, after }: Position): Promise<ExpirableTagPage> {
    let previous = group;
    let current = after === undefined ? await this.roots.nextGroup(kind, query.organization, group) : group;
    let from = after;
    for (let looked = 0; current !== undefined; looked += 1) {
      if (looked === GROUPS_PER_PAGE) return { tags: [], next: write({ kind, group: previous }) };
      const found = await this.#dueOf(query, dueAt, kind, current, from);
      if (found.tags.length > 0) return found;
      previous = current;
      current = await this.roots.nextGroup(kind, query.organization, current);
      from = undefined;
    }
    return { tags: [], next: nextKind(kind) };
  }

  async #dueOf(
    query: ExpirableTagQuery,
    dueAt: number,
    kind: RootKind,
    group: RootGroup,
    after: RootPosition | undefined,
  ): Promise<ExpirableTagPage> {
    const none = { tags: [], next: undefined };
    if (query.except?.some((each) => isSameGroup(each, group)) === true) return none;
    const { stalenessPeriodS, expirationS } = await this.#periods(group);
    if (expirationS === 0) return none;
    const bounds: DueBounds = {
      usedBefore: dueAt - expirationS * 1000,
      confirmedBefore: dueAt - stalenessPeriodS * 1000,
    };
    const roots = await this.roots.due(kind, group, bounds, after, query.limit);
    const last = roots.at(-1);
    if (last === undefined) return none;
    const at = dueClock(bounds) === 'last_used_at' ? last.lastUsedAt : last.confirmedAt;
    const goesOn = roots.length === query.limit;
    return {
      tags: await this.#expirable(roots),
      next: write({ kind, group, ...(goesOn ? { after: { ...positionOf(last), at } } : {}) }),
    };
  }

  #expirable(roots: readonly ContentRoot[]): Promise<readonly ExpirableTag[]> {
    return Promise.all(
      roots.map(
        async (root): Promise<ExpirableTag> => ({
          repository: root.repository,
          reference: referenceOf(root),
          digest: root.digest,
          confirmedAt: root.confirmedAt,
          lastUsedAt: root.lastUsedAt,
          pinned: root.pinned,
          ...(await this.#periods(root.repository)),
        }),
      ),
    );
  }

  async #periods({
    organization,
    upstream,
  }: RootGroup): Promise<Pick<ProxyCacheSettings, 'stalenessPeriodS' | 'expirationS'>> {
    const settings = await this.settings.find(organization);
    if (settings === undefined || settings.upstream !== upstream) return ORPHANED;
    return { stalenessPeriodS: settings.stalenessPeriodS, expirationS: settings.expirationS };
  }
}

function toRoot(tag: ExpirableTag): ContentRoot {
  const { reference, digest, confirmedAt, lastUsedAt, pinned } = tag;
  const repository: ProxiedRepository = { ...tag.repository, upstream: tag.repository.upstream ?? '' };
  return {
    kind: reference.kind,
    repository,
    reference: reference.kind === 'tag' ? reference.tag : reference.digest,
    digest,
    confirmedAt,
    lastUsedAt,
    pinned,
  };
}

function positionOf({ repository, reference }: ContentRoot): RootPosition {
  const { organization, upstream, name } = repository;
  return { organization, upstream, repository: name, reference };
}

/** Where the roots of one kind go on after a tag or a digest, in the order of `leastRecentlyUsed`. */
function afterAmong(kind: RootKind, of: RootGroup, after: ExpirableTag | undefined): RootPosition | undefined {
  if (after === undefined) return undefined;
  const { reference, repository, lastUsedAt: at } = after;
  if (reference.kind === kind) return { ...of, repository: repository.name, reference: formatReference(reference), at };
  // Nothing sorts before the empty text.
  return { ...of, repository: '', reference: '', at: kind === 'digest' ? at : at + 1 };
}

function isSameGroup(one: RootGroup, other: RootGroup): boolean {
  return one.organization === other.organization && one.upstream === other.upstream;
}

function nextKind(kind: RootKind): string | undefined {
  return kind === 'tag' ? write({ kind: 'digest' }) : undefined;
}

function write(position: Position): string {
  return JSON.stringify(position);
}
