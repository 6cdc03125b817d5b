import {
  type Digest,
  type Repository,
  repositoryKey,
  type Tag,
  type TagPage,
  type TagStore,
} from '@breakwater/registry-core';

/** Tags in memory, for hosts and tests that need nothing else. A repository is there once it has a tag. */
export class MemoryTagStore implements TagStore {
  readonly #repositories = new Map<string, Map<Tag, Digest>>();

  async resolve(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    return this.#repositories.get(repositoryKey(repository))?.get(tag);
  }

  async list(
    repository: Repository,
    page: { readonly last: string | undefined; readonly limit: number },
  ): Promise<TagPage | undefined> {
    const tags = this.#repositories.get(repositoryKey(repository));
    if (tags === undefined) return undefined;
    // Tags are ASCII, so the order of code units, which sort() and > use, is that of the spec.
    const after = [...tags.keys()].filter((tag) => tag > (page.last ?? '')).sort();
    return { tags: after.slice(0, page.limit), more: after.length > page.limit };
  }

  /** Makes a tag point at a manifest. */
  point(repository: Repository, tag: Tag, digest: Digest): void {
    const key = repositoryKey(repository);
    const tags = this.#repositories.get(key) ?? new Map<Tag, Digest>();
    this.#repositories.set(key, tags.set(tag, digest));
  }
}
