import type { Digest, Repository, Tag, TagStore } from '@breakwater/registry-core';
import { buildImage } from '../images/image-builder.js';
import { jestGlobals } from './jest-globals.js';
import { storable } from './manifest-store-contract.js';
import { repositoryOf, tagOf } from './repositories.js';

/** What every TagStore must do. `make` gives an empty one for each test, and a way to point a tag at a manifest. */
export function describeTagStore(
  name: string,
  make: () => Promise<{
    readonly tags: TagStore;
    /** Stores the manifest, if the store is one that checks, and points the tag at it. */
    point(repository: Repository, tag: Tag, manifest: ReturnType<typeof storable>): Promise<void>;
    close?(): Promise<void>;
  }>,
): void {
  const { afterEach, beforeEach, describe, expect, test } = jestGlobals();
  const repository = repositoryOf('hosted/app');
  const first = storable(buildImage({ seed: 'first tag' }).manifest);
  const second = storable(buildImage({ seed: 'second tag' }).manifest);

  describe(`TagStore contract: ${name}`, () => {
    let made: Awaited<ReturnType<typeof make>>;
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.close?.());

    const resolve = (tag: string): Promise<Digest | undefined> => made.tags.resolve(repository, tagOf(tag));

    test('resolves a tag to what it was pointed at last', async () => {
      expect(await resolve('latest')).toBeUndefined();
      await made.point(repository, tagOf('latest'), first);
      expect(await resolve('latest')).toBe(first.digest);
      await made.point(repository, tagOf('latest'), second);
      expect(await resolve('latest')).toBe(second.digest);
      expect(await made.tags.resolve(repositoryOf('hosted/app2'), tagOf('latest'))).toBeUndefined();
      expect(await made.tags.resolve(repositoryOf('hosted2/app'), tagOf('latest'))).toBeUndefined();
    });

    test('a repository that is not there has no list', async () => {
      expect(await made.tags.list(repository, { last: undefined, limit: 10 })).toBeUndefined();
    });

    test('lists in byte order, page by page', async () => {
      const sorted = ['0.9', '1.10', '1.9', 'B', '_x', 'a', 'a-1', 'a.1', 'a1', 'b'].sort();
      for (const tag of [...sorted].reverse()) await made.point(repository, tagOf(tag), first);
      expect(await made.tags.list(repository, { last: undefined, limit: 100 })).toEqual({ tags: sorted, more: false });
      const listed: string[] = [];
      for (let more = true; more; ) {
        const page = await made.tags.list(repository, { last: listed.at(-1), limit: 3 });
        expect(page?.tags.length).toBeLessThanOrEqual(3);
        listed.push(...(page?.tags ?? []));
        more = page?.more ?? false;
      }
      expect(listed).toEqual(sorted);
    });

    test('goes on after any text, also one that is no tag', async () => {
      for (const tag of ['a', 'b', 'c']) await made.point(repository, tagOf(tag), first);
      expect((await made.tags.list(repository, { last: 'b', limit: 10 }))?.tags).toEqual(['c']);
      expect((await made.tags.list(repository, { last: 'a\0', limit: 10 }))?.tags).toEqual(['b', 'c']);
      expect((await made.tags.list(repository, { last: 'a~', limit: 10 }))?.tags).toEqual(['b', 'c']);
      expect(await made.tags.list(repository, { last: 'z', limit: 10 })).toEqual({ tags: [], more: false });
    });
  });
}
