import type { OrganizationName } from '@breakwater/registry-core';
import { expect, test } from '@jest/globals';
import { DEFAULT_DOWNLOAD_LIMITS, DownloadSlots } from './download-slots.js';

const a = 'a' as OrganizationName;
const b = 'b' as OrganizationName;

test('an organization that has all of its turns does not hold up another', async () => {
  const slots = new DownloadSlots({
    ...DEFAULT_DOWNLOAD_LIMITS,
    maxDownloads: 4,
    maxDownloadsPerOrganization: 2,
    downloadQueueMs: 60_000,
  });
  const first = await slots.take(a);
  await slots.take(a);
  const third = slots.take(a);
  await slots.take(b);
  let isThird = false;
  const seen = third.then(() => {
    isThird = true;
  });
  await Promise.resolve();
  expect(isThird).toBe(false);
  first();
  first();
  await seen;
  expect(isThird).toBe(true);
});

test('the process has no more turns than it has, whoever asks', async () => {
  const slots = new DownloadSlots({
    ...DEFAULT_DOWNLOAD_LIMITS,
    maxDownloads: 1,
    maxDownloadsPerOrganization: 8,
    downloadQueueMs: 1,
  });
  const release = await slots.take(a);
  await expect(slots.take(b)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    status: 503,
    detail: { reason: 'overload' },
    headers: { 'retry-after': expect.stringMatching(/^[0-9]+$/) },
  });
  release();
  (await slots.take(b))();
});

test('turns come back, however they were used', async () => {
  const slots = new DownloadSlots({ ...DEFAULT_DOWNLOAD_LIMITS, maxDownloads: 2, maxDownloadsPerOrganization: 2 });
  let most = 0;
  let running = 0;
  await Promise.all(
    Array.from({ length: 50 }, async (_each, index) => {
      const release = await slots.take(index % 2 === 0 ? a : b);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      release();
    }),
  );
  expect(most).toBe(2);
});

test('a process that is far behind takes no more downloads until it has caught up', async () => {
  let behindMs = 501;
  const slots = new DownloadSlots(DEFAULT_DOWNLOAD_LIMITS, { recentMs: () => behindMs });
  await expect(slots.take(a)).rejects.toMatchObject({ detail: { reason: 'overload' } });
  behindMs = 500;
  (await slots.take(a))();
});
