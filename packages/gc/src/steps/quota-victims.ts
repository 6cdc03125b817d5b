import type { ContentUsage } from '@breakwater/registry-core';
import { formatReference } from '@breakwater/registry-core';
import type { ExpirableTag, ExpirableTags, LinkSweep, ManifestKey, Quota, QuotaTags } from '../ports.js';
import { DELETE_BATCH, oneEach } from './run-context.js';

/** An image that may be taken for a quota. */
export interface QuotaVictim {
  /** All tags and uses by digest that point to it. */
  readonly roots: readonly ExpirableTag[];
  /** At least as many as would be freed: others may share what it has. */
  readonly bytes: number;
}

/** What victims are found with. */
export interface VictimParts {
  readonly quotas: QuotaTags;
  readonly usage: ContentUsage;
  readonly tags: ExpirableTags;
  /** Who knows which manifests keep others; without it none do. */
  readonly sweep: LinkSweep | undefined;
  /** Tags used at this time or later may be being pulled, ms since the epoch. */
  readonly usedBefore: number;
  /** Whether a tag goes anyhow. */
  readonly isPlanned: (tag: ExpirableTag) => boolean;
}

/** An image that other manifests keep, or a tag that stays. */
interface Kept {
  readonly keepers: readonly string[];
}

/** A place in the list of tags. */
interface Place {
  /** Absent at the beginning. */
  readonly after?: ExpirableTag;
}

/** So many tags of one image are looked at first; more only where there are more. */
const FIRST_LOOK = 100;
/** So many manifests that keep another one are looked at; where there are more, it stays. */
const KEEPERS = 20;

/**
 * The images of an organization that may go for its quota, the least recently pulled first. Of an image that a pin, a recent
 * pull or another manifest keeps no tag goes: taking one would free nothing.
 */
export class QuotaVictims {
  readonly #chosen = new Set<string>();
  /** Where the list is come back to once a manifest has gone that kept another one. */
  readonly #backTo = new Map<string, Place>();
  #at: Place = {};

  constructor(
    private readonly parts: VictimParts,
    private readonly of: Quota,
  ) {}

  /** The next ones that together have so many bytes, or those of one batch; none at the end. */
  async next(bytes: number, onPage: () => Promise<void>): Promise<readonly QuotaVictim[]> {
    for (;;) {
      await onPage();
      const { quotas, usedBefore } = this.parts;
      const page = await quotas.leastRecentlyUsed(this.of, usedBefore, DELETE_BATCH, this.#at.after);
      if (page.length === 0) return [];
      const taken = this.#take(page, await this.#among(page), bytes);
      if (taken.length > 0) return taken;
    }
  }

  /** Bytes of those among the first pages. */
  async bytesAmong(pages: number): Promise<number> {
    let bytes = 0;
    for (let looked = 0; looked < pages; looked += 1) {
      const { quotas, usedBefore } = this.parts;
      const page = await quotas.leastRecentlyUsed(this.of, usedBefore, DELETE_BATCH, this.#at.after);
      const taken = this.#take(page, await this.#among(page), Number.POSITIVE_INFINITY);
      bytes += taken.reduce((sum, victim) => sum + victim.bytes, 0);
      if (page.length < DELETE_BATCH) break;
    }
    return bytes;
  }

  #take(
    page: readonly ExpirableTag[],
    victims: readonly (QuotaVictim | Kept)[],
    enough: number,
  ): readonly QuotaVictim[] {
    const taken: QuotaVictim[] = [];
    let bytes = 0;
    let back: Place | undefined;
    for (const [index, tag] of page.entries()) {
      const before = this.#at;
      this.#at = { after: tag };
      const victim = victims[index];
      if (victim === undefined || this.#chosen.has(manifestKey(tag))) continue;
      if ('keepers' in victim) {
        for (const keeper of victim.keepers) if (!this.#backTo.has(keeper)) this.#backTo.set(keeper, before);
        continue;
      }
      this.#chosen.add(manifestKey(tag));
      back = earlier(back, this.#backTo.get(manifestKey(tag)));
      taken.push(victim);
      bytes += victim.bytes;
      if (bytes >= enough) break;
    }
    if (back !== undefined) this.#at = back;
    return taken;
  }

  async #among(page: readonly ExpirableTag[]): Promise<readonly (QuotaVictim | Kept)[]> {
    const { usage, usedBefore, isPlanned } = this.parts;
    const pointing = await this.#pointingTo(page);
    const keepers = await this.#keepersOf(page);
    const roots = page.map((tag, index) => {
      if ((keepers[index]?.length ?? 0) > 0) return undefined;
      const all = (pointing[index] ?? []).filter((root) => !isPlanned(root));
      // An image is as recently used as the last used of its tags, which is listed later.
      const goes = all.every(
        ({ pinned, lastUsedAt, digest }) =>
          !pinned && lastUsedAt < usedBefore && lastUsedAt <= tag.lastUsedAt && digest === tag.digest,
      );
      return goes && all.length > 0 ? all : undefined;
    });
    const going = page.filter((_, index) => roots[index] !== undefined);
    const sizes = new Map(
      oneEach(await usage.imageBytes(going), going, 'imageBytes').map((size, at) => [going[at], size]),
    );
    return page.map((tag, index) => {
      const of = roots[index];
      return of === undefined ? { keepers: keepers[index] ?? [] } : { roots: of, bytes: sizes.get(tag) ?? 0 };
    });
  }

  /** Everything that points to the manifest of each tag. */
  async #pointingTo(page: readonly ExpirableTag[]): Promise<readonly (readonly ExpirableTag[])[]> {
    const { tags } = this.parts;
    const found: (readonly ExpirableTag[])[] = page.map(() => []);
    let open = page.map((tag, index) => ({ tag, index }));
    for (let most = FIRST_LOOK; open.length > 0; most *= 10) {
      const asked = open.map(({ tag }) => tag);
      const answers = oneEach(await tags.pointingTo(asked, most), asked, 'pointingTo');
      for (const [at, { index }] of open.entries()) found[index] = answers[at] ?? [];
      open = open.filter((_, at) => (answers[at]?.length ?? 0) >= most);
    }
    return found;
  }

  /** What keeps the manifest of each tag beside the tags of this cache, and has not been chosen. */
  async #keepersOf(page: readonly ExpirableTag[]): Promise<readonly (readonly string[])[]> {
    const { sweep } = this.parts;
    if (sweep === undefined) return page.map(() => []);
    const links = page.map(({ repository, digest }) => ({ repository, kind: 'manifest' as const, digest }));
    const facts = oneEach(await sweep.inspect(links, KEEPERS), links, 'inspect');
    return facts.map((found) => {
      if (found === undefined) return [];
      const { repository, keptBy, tags, more } = found;
      const manifests = keptBy.map((digest) => manifestKey({ repository, digest }));
      return [...manifests.filter((key) => !this.#chosen.has(key)), ...tags, ...(more ? ['more'] : [])];
    });
  }
}

/** What tells a tag from all others. */
export function tagKey({ repository, reference }: ExpirableTag): string {
  const { organization, upstream = '', name } = repository;
  return `${organization}\n${upstream}\n${name}\n${reference.kind} ${formatReference(reference)}`;
}

function earlier(one: Place | undefined, other: Place | undefined): Place | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const time = ({ after }: Place) => after?.lastUsedAt ?? Number.NEGATIVE_INFINITY;
  return time(one) < time(other) ? one : other;
}

/** Of a manifest of one organization and upstream. */
function manifestKey({ repository, digest }: ManifestKey): string {
  return `${repository.name}\n${digest}`;
}
