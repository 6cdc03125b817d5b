import type { ContentLink, LinkKey } from '@breakwater/registry-core';
import { repositoryKey } from '@breakwater/registry-core';

/** A link that a sweep is going to remove. */
export interface PlannedLink {
  readonly link: ContentLink;
  /**
   * How many removals have to come before it: what a manifest keeps can go only once the manifest has gone, in a
   * transaction of its own.
   */
  readonly level: number;
  /** The candidates that led to it. */
  readonly candidates: readonly string[];
}

/** Where a planner puts what it finds. */
export interface LinkPlan {
  /** Links. */
  readonly size: number;
  add(planned: PlannedLink): void;
  find(link: LinkKey): { readonly level: number } | undefined;
}

/** The links that a sweep is going to remove, and the order in which. */
export class SweepPlan implements LinkPlan {
  readonly #links = new Map<string, PlannedLink>();
  #blobs = 0;
  /** True when there are more such links, which did not fit into it. */
  isCut = false;

  get size(): number {
    return this.#links.size;
  }

  /** How many of them are links to blobs. */
  get blobs(): number {
    return this.#blobs;
  }

  add(planned: PlannedLink): void {
    const key = linkKey(planned.link);
    if (this.#links.has(key)) return;
    this.#links.set(key, planned);
    if (planned.link.kind === 'blob') this.#blobs += 1;
  }

  find(link: LinkKey): PlannedLink | undefined {
    return this.#links.get(linkKey(link));
  }

  /** Its links of a kind, level by level. */
  levels(kind: LinkKey['kind']): readonly (readonly PlannedLink[])[] {
    const levels: PlannedLink[][] = [];
    for (const planned of this.#links.values()) {
      if (planned.link.kind !== kind) continue;
      const level = levels[planned.level] ?? [];
      level.push(planned);
      levels[planned.level] = level;
    }
    return levels.filter((level) => level !== undefined);
  }

  /** Its links in groups of about `size`, where all links to the same content are in the same group. */
  byContent(size: number): readonly (readonly ContentLink[])[] {
    const links = [...this.#links.values()].map(({ link }) => link);
    links.sort((one, other) => (contentKey(one) < contentKey(other) ? -1 : 1));
    const groups: ContentLink[][] = [];
    let group: ContentLink[] = [];
    for (const link of links) {
      const last = group.at(-1);
      if (group.length >= size && last !== undefined && contentKey(last) !== contentKey(link)) {
        groups.push(group);
        group = [];
      }
      group.push(link);
    }
    if (group.length > 0) groups.push(group);
    return groups;
  }
}

/** One to one: no part can hold a line feed. */
export function linkKey({ repository, kind, digest }: LinkKey): string {
  return `${repositoryKey(repository)}\n${kind}\n${digest}`;
}

function contentKey({ kind, digest }: LinkKey): string {
  return `${kind} ${digest}`;
}
