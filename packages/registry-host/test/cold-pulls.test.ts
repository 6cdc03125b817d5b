import { buildImage } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { manyColdPulls } from './support/many-cold-pulls.js';

// With a thousand clients, and with a large blob over a bad upstream: cold-pulls.slow.test.ts.

const image = buildImage({ seed: 'many cold pulls', layers: [2_000_000, 100_000, 1_000] });

test.each([
  ['F154: a hundred cold pulls at once are one GET for each object', false],
  ['F151: and so they are when the first client leaves half way', true],
])('%s', async (_what, leaver) => {
  const { problems, gets } = await manyColdPulls(image, 100, leaver);
  expect(problems).toEqual({ count: 0, some: [] });
  const each = Object.fromEntries([...image.blobs.keys()].map((digest) => [digest, 1]));
  expect(gets).toMatchObject(each);
  expect(Object.values(gets).filter((count) => count !== 1)).toEqual([]);
});
