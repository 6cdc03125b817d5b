import { type Clock, type Digest, type Logger, repositoryKey } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { TagKey } from '../ports.js';
import type { CachedTagTable } from '../postgres/cached-tag-table.js';
import type { CachedTag, PreviousOnMove } from './cached-tag.js';
import { NotedUses } from './noted-uses.js';

/** Most tags whose facts are held in memory, and most uses that wait to be written. */
const MAX_HOT_TAGS = 50_000;

/** Boxed, so that an entry can change without touching the order of use. */
interface HotTag {
  entry: CachedTag;
}

/** A key for maps, one to one with the tag. */
export function tagKeyText({ repository, tag }: TagKey): string {
  return `${repositoryKey(repository)}\n${tag}`;
}

/**
 * Cached tags: the rows in Postgres, and in memory the ones in use. What is in memory may be served while it is fresh;
 * anything that asks the upstream, or ends shielding, is decided on the row.
 */
export class CachedTags {
  readonly #hot = new LRUCache<string, HotTag>({ max: MAX_HOT_TAGS });
  readonly #used = new NotedUses<{ readonly key: TagKey }>(MAX_HOT_TAGS);
  /** Looks for rows of tags that nothing is in memory of. */
  readonly #looks = new Map<string, Promise<CachedTag | undefined>>();
  #changeNumber: string | undefined;

  constructor(
    private readonly table: CachedTagTable,
    private readonly clock: Clock,
    private readonly logger: Logger,
    /** Hears that a tag was moved or removed here, which other processes may have in memory. */
    private readonly onChanged: () => void = () => undefined,
  ) {}

  /** What this process holds in memory under a `tagKeyText`. */
  hot(text: string): CachedTag | undefined {
    return this.#hot.get(text)?.entry;
  }

  /** The row; without Postgres, what is in memory, and when that is nothing, the failure. */
  async load(key: TagKey): Promise<CachedTag | undefined> {
    try {
      return await this.#find(key);
    } catch (error) {
      const hot = this.hot(tagKeyText(key));
      if (hot === undefined) throw error;
      this.logger.warn({ err: error }, 'cached tags cannot be read; going on with what is in memory');
      return hot;
    }
  }

  /** One look for all who want a tag that nothing is in memory of: a thousand at once would have the database shed them. */
  async #find(key: TagKey): Promise<CachedTag | undefined> {
    const text = tagKeyText(key);
    const ahead = this.#hot.has(text) ? undefined : this.#looks.get(text);
    if (ahead !== undefined) return ahead;
    const look = this.table.find(key).then((entry) => {
      this.#remember(key, entry);
      return entry;
    });
    this.#looks.set(text, look);
    const done = () => this.#looks.get(text) === look && this.#looks.delete(text);
    look.then(done, done);
    return look;
  }

  /**
   * The upstream confirmed what is cached. `undefined` when the row was moved or collected meanwhile, and has to be
   * written anew. Without Postgres it is confirmed for this process only.
   */
  async confirm(key: TagKey, entry: CachedTag, at: number): Promise<CachedTag | undefined> {
    const confirmed = { ...entry, confirmedAt: Math.max(entry.confirmedAt, at) };
    try {
      if (!(await this.table.confirm(key, entry.digest, at))) return undefined;
    } catch (error) {
      this.logger.warn({ err: error }, 'a confirmation could not be written; it counts for this process');
    }
    this.#remember(key, confirmed);
    return confirmed;
  }

  /** Points the tag at a digest whose manifest is stored. */
  async move(key: TagKey, origin: string, digest: Digest, at: number, onMove?: PreviousOnMove): Promise<CachedTag> {
    const { entry, moved } = await this.table.move(key, origin, digest, at, onMove);
    this.#remember(key, entry);
    if (moved) this.onChanged();
    return entry;
  }

  /** The previous image of a tag has done its duty. */
  async dropPrevious(key: TagKey, { previous, ...entry }: CachedTag): Promise<void> {
    if (previous === undefined) return;
    await this.table.dropPrevious(key, entry.digest, previous.digest);
    const hot = this.#hot.get(tagKeyText(key));
    if (hot?.entry.digest === entry.digest) hot.entry = entry;
  }

  /** Notes a use in memory; `flush` writes it. `text` is the key's, for whoever has it already. */
  noteUse(key: TagKey, text = tagKeyText(key)): void {
    this.#used.note(text, this.clock.now(), { key });
  }

  /** Writes the noted uses; those that cannot be written now are kept for the next time. */
  flush(): Promise<void> {
    return this.#used.flush((uses) => this.table.noteUses(uses));
  }

  /**
   * Forgets what is in memory when a tag was moved or removed since the last time; resolves to whether one was. The first
   * time nobody knows, so that what was read before it is forgotten too.
   */
  async followChanges(): Promise<boolean> {
    const number = await this.table.changeNumber();
    const changed = this.#changeNumber !== number;
    if (changed) this.#hot.clear();
    this.#changeNumber = number;
    return changed;
  }

  /** Forgets all tags, because many were changed at once. */
  forgetAll(): void {
    this.#hot.clear();
    this.onChanged();
  }

  /** Pins tags, or takes the pin away; resolves to whether each is cached. A pinned tag is never collected. */
  async pin(keys: readonly TagKey[], pinned: boolean): Promise<readonly boolean[]> {
    const found: boolean[] = [];
    for (const key of keys) {
      found.push(await this.table.pin(key, pinned));
      this.forget(key);
    }
    return found;
  }

  /** Forgets one tag, which was removed. */
  forget(key: TagKey): void {
    this.#hot.delete(tagKeyText(key));
    this.onChanged();
  }

  #remember(key: TagKey, entry: CachedTag | undefined): void {
    const text = tagKeyText(key);
    if (entry === undefined) this.#hot.delete(text);
    else this.#hot.set(text, { entry });
  }
}
