import type {
  ExpirableTag,
  ExpirableTags,
  LinkSweep,
  NamedTags,
  StoredContent,
  UpstreamCondition,
  UpstreamState,
} from '@breakwater/gc';
import {
  type ContentDisposal,
  type ContentLink,
  type ContentUse,
  type Digest,
  type DisposableContent,
  digestOf,
  formatReference,
  parseOrganizationName,
  parseRepositoryName,
  parseTag,
  type Repository,
  repositoryKey,
  type Tag,
} from '@breakwater/registry-core';
import type { MovableClock } from '@breakwater/test-kit';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What content consists of: a manifest needs others, a blob is bytes. */
interface Content {
  readonly kind: 'manifest' | 'blob';
  readonly size: number;
  readonly children: readonly Digest[];
  readonly blobs: readonly Digest[];
  unlinkedAt: number | undefined;
}

/** What a fake upstream says of itself, and how often it was asked. */
export interface FakeUpstream {
  condition: UpstreamCondition;
  /** What a fresh check finds. */
  found: UpstreamCondition;
  checks: number;
}

export const UPSTREAM = 'registry.example';

/** A digest of a name. */
export function digestNamed(name: string): Digest {
  return digestOf(new TextEncoder().encode(name));
}

/** A proxied repository of the organization `acme`. */
export function repositoryNamed(name: string, upstream: string | undefined = UPSTREAM): Repository {
  const organization = parseOrganizationName('acme');
  const repository = parseRepositoryName(name);
  if (organization === undefined || repository === undefined) throw new Error(`no repository name: ${name}`);
  return { organization, name: repository, ...(upstream === undefined ? {} : { upstream }) };
}

function tagNamed(name: string): Tag {
  const tag = parseTag(name);
  if (tag === undefined) throw new Error(`no tag: ${name}`);
  return tag;
}

/**
 * A registry in memory that keeps the contracts of the ports: what is removed is re-checked in the same breath, a
 * lease covers all that a manifest needs, and content without a link is freed apart.
 */
export class FakeRegistry {
  readonly links = new Map<string, Mutable<ContentLink>>();
  readonly content = new Map<Digest, Content>();
  readonly cachedTags = new Map<string, Mutable<ExpirableTag>>();
  readonly upstream: FakeUpstream = {
    condition: { down: false, lastHeardAt: Number.MAX_SAFE_INTEGER },
    found: { down: false },
    checks: 0,
  };
  /** Every removal, by what was removed. */
  readonly removals: string[] = [];
  /** Run before the named port does its work; may throw. */
  readonly before: Partial<
    Record<
      'list' | 'expire' | 'pointingTo' | 'candidates' | 'inspect' | 'remove' | 'dispose' | 'touch',
      () => void | Promise<void>
    >
  > = {};

  constructor(readonly clock: MovableClock) {}

  /** Stores an image of the given layers and links it. Links that are there already are renewed. */
  putImage(repository: Repository, name: string, layers: readonly string[]): Digest {
    const blobs = [`${name}-config`, ...layers].map((layer) => this.#putBlob(repository, layer));
    return this.#putManifest(repository, name, [], blobs);
  }

  /** Stores an index of manifests that are linked to the repository already. */
  putIndex(repository: Repository, name: string, children: readonly Digest[]): Digest {
    return this.#putManifest(repository, name, children, []);
  }

  /** Points a cached tag to a manifest, confirmed and used now. */
  tag(repository: Repository, tag: string, digest: Digest, facts: Partial<ExpirableTag> = {}): Mutable<ExpirableTag> {
    const now = this.clock.now();
    const entry: Mutable<ExpirableTag> = {
      repository,
      reference: { kind: 'tag', tag: tagNamed(tag) },
      digest,
      confirmedAt: now,
      lastUsedAt: now,
      stalenessPeriodS: 100,
      pinned: false,
      ...facts,
    };
    this.cachedTags.set(`${repositoryKey(repository)}\n${tag}`, entry);
    return entry;
  }

  /** Whether the manifest and all that it needs is linked to the repository and stored. */
  isWhole(repository: Repository, digest: Digest): boolean {
    const content = this.content.get(digest);
    if (content === undefined || !this.links.has(linkKey(repository, digest))) return false;
    return [...content.children, ...content.blobs].every((needed) => this.isWhole(repository, needed));
  }

  readonly tags: ExpirableTags = {
    list: async ({ organization, cursor, limit }) => {
      await this.before.list?.();
      const keys = after([...this.cachedTags.keys()], cursor);
      const page = keys.slice(0, limit);
      const tags = page.flatMap((key) => {
        const tag = this.cachedTags.get(key);
        if (tag === undefined || (organization ?? tag.repository.organization) !== tag.repository.organization)
          return [];
        return [{ ...tag }];
      });
      return { tags, next: keys.length > page.length ? page.at(-1) : undefined };
    },
    expire: async (tags) => {
      await this.before.expire?.();
      return tags.map((listed) => {
        for (const [key, tag] of this.cachedTags) {
          if (JSON.stringify(tag) !== JSON.stringify(listed)) continue;
          this.cachedTags.delete(key);
          this.removals.push(`tag ${key}`);
          return true;
        }
        return false;
      });
    },
    pointingTo: async (manifests, most) => {
      await this.before.pointingTo?.();
      const tags = [...this.cachedTags.values()];
      return manifests.map(({ repository, digest }) =>
        tags.filter((tag) => linkKey(tag.repository, tag.digest) === linkKey(repository, digest)).slice(0, most),
      );
    },
  };

  /** Everything is a candidate every time. */
  readonly sweep: LinkSweep = {
    candidates: async ({ usedBefore, organization, cursor, limit }) => {
      await this.before.candidates?.();
      const keys = after(
        [...this.links].flatMap(([key, link]) =>
          link.usedAt < usedBefore && (organization ?? link.repository.organization) === link.repository.organization
            ? [key]
            : [],
        ),
        cursor,
      );
      const page = keys.slice(0, limit);
      const candidates = page.flatMap((key) => {
        const link = this.links.get(key);
        return link === undefined ? [] : [{ ...link, id: key }];
      });
      return { candidates, next: keys.length > page.length ? page.at(-1) : undefined };
    },
    inspect: async (links, most) => {
      await this.before.inspect?.();
      return links.map(({ repository, digest }) => {
        const link = this.links.get(linkKey(repository, digest));
        if (link === undefined) return undefined;
        const keptBy = this.#keptBy(repository, digest);
        const { children = [], blobs = [] } = this.content.get(digest) ?? {};
        return {
          ...link,
          tags: [],
          keptBy: keptBy.slice(0, most),
          more: keptBy.length >= most,
          keeps: [
            ...children.map((each) => ({ kind: 'manifest' as const, digest: each })),
            ...blobs.map((each) => ({ kind: 'blob' as const, digest: each })),
          ],
        };
      });
    },
    remove: async (links) => {
      await this.before.remove?.();
      return links.map(({ repository, digest, usedAt }) => {
        const key = linkKey(repository, digest);
        if (this.links.get(key)?.usedAt !== usedAt || this.#neededByLinks().has(key)) return false;
        this.links.delete(key);
        this.removals.push(`link ${key}`);
        const linkedElsewhere = [...this.links.values()].some((link) => link.digest === digest);
        const content = this.content.get(digest);
        if (!linkedElsewhere && content !== undefined) content.unlinkedAt = this.clock.now();
        return true;
      });
    },
  };

  readonly named: NamedTags = {
    named: async ({ organization, repository, reference }) =>
      [...this.cachedTags.values()].filter(
        (tag) =>
          tag.repository.organization === organization &&
          tag.repository.name === repository &&
          formatReference(tag.reference) === formatReference(reference),
      ),
  };

  readonly stored: StoredContent = {
    find: async (digest, within, most) => {
      const all = [...this.links.values()].filter((link) => link.digest === digest);
      const links = all.filter(
        ({ repository }) =>
          (within?.organization ?? repository.organization) === repository.organization &&
          (within?.name ?? repository.name) === repository.name,
      );
      const content = this.content.get(digest);
      return {
        stored: content === undefined ? [] : [{ kind: content.kind, size: content.size, links: all.length }],
        links: links.slice(0, most),
        linksTotal: links.length,
      };
    },
  };

  readonly disposal: ContentDisposal = {
    dispose: async (before, _run, intend) => {
      await this.before.dispose?.();
      const free = this.#unlinked(before);
      await intend(free.slice(0, 2));
      const freed = free.slice(0, 2).filter(({ digest }) => this.content.delete(digest));
      for (const { digest } of freed) this.removals.push(`content ${digest}`);
      return { freed, done: free.length <= 2 };
    },
    disposable: async (before) => ({ items: this.#unlinked(before), next: undefined }),
    linkedOnlyBy: async (links) => {
      const gone = new Set(links.map(({ repository, digest }) => linkKey(repository, digest)));
      const digests = new Set(links.map(({ digest }) => digest));
      for (const [key, { digest }] of this.links) if (!gone.has(key)) digests.delete(digest);
      return [...digests].flatMap((digest) => this.#disposable(digest));
    },
  };

  readonly use: ContentUse = {
    touch: async (uses, at) => {
      await this.before.touch?.();
      return uses.map(({ repository, digest }) => this.#renew(repository, digest, at));
    },
  };

  readonly upstreams: UpstreamState = {
    condition: async () => this.upstream.condition,
    check: async () => {
      this.upstream.checks += 1;
      this.upstream.condition = this.upstream.found;
      return this.upstream.condition;
    },
  };

  #unlinked(before: number): readonly DisposableContent[] {
    return [...this.content].flatMap(([digest, { unlinkedAt }]) =>
      unlinkedAt !== undefined && unlinkedAt < before ? this.#disposable(digest) : [],
    );
  }

  #disposable(digest: Digest): readonly DisposableContent[] {
    const content = this.content.get(digest);
    return content === undefined ? [] : [{ kind: content.kind, digest, size: content.size }];
  }

  #renew(repository: Repository, digest: Digest, at: number): boolean {
    const link = this.links.get(linkKey(repository, digest));
    if (link === undefined) return false;
    link.usedAt = Math.max(link.usedAt, at);
    const { children = [], blobs = [] } = this.content.get(digest) ?? {};
    for (const needed of [...children, ...blobs]) this.#renew(repository, needed, at);
    return true;
  }

  #keptBy(repository: Repository, digest: Digest): readonly Digest[] {
    return [...this.links.values()].flatMap((link) => {
      if (repositoryKey(link.repository) !== repositoryKey(repository)) return [];
      const { children = [], blobs = [] } = this.content.get(link.digest) ?? {};
      return [...children, ...blobs].includes(digest) ? [link.digest] : [];
    });
  }

  #neededByLinks(): Set<string> {
    const needed = new Set<string>();
    for (const { repository, digest } of this.links.values()) {
      const { children = [], blobs = [] } = this.content.get(digest) ?? {};
      for (const each of [...children, ...blobs]) needed.add(linkKey(repository, each));
    }
    return needed;
  }

  #putBlob(repository: Repository, name: string): Digest {
    return this.#put(repository, digestNamed(name), { kind: 'blob', size: 10, children: [], blobs: [] });
  }

  #putManifest(repository: Repository, name: string, children: readonly Digest[], blobs: readonly Digest[]): Digest {
    return this.#put(repository, digestNamed(name), { kind: 'manifest', size: 1, children, blobs });
  }

  #put(repository: Repository, digest: Digest, content: Omit<Content, 'unlinkedAt'>): Digest {
    this.content.set(digest, { ...content, unlinkedAt: undefined });
    const usedAt = this.clock.now();
    this.links.set(linkKey(repository, digest), { repository, kind: content.kind, digest, usedAt });
    return digest;
  }
}

function linkKey(repository: Repository, digest: Digest): string {
  return `${repositoryKey(repository)}\n${digest}`;
}

function after(keys: readonly string[], cursor: string | undefined): readonly string[] {
  return [...keys].sort().filter((key) => cursor === undefined || key > cursor);
}
