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
  const lag = { recentMs: () => behindMs };
  const impatient = new DownloadSlots({ ...DEFAULT_DOWNLOAD_LIMITS, downloadQueueMs: 1 }, lag);
  await expect(impatient.take(a)).rejects.toMatchObject({ detail: { reason: 'overload' } });
  const slots = new DownloadSlots(DEFAULT_DOWNLOAD_LIMITS, lag);
  expect(() => slots.takeInBackground(a)).toThrow(expect.objectContaining({ detail: { reason: 'overload' } }));
  const waiting = slots.take(a);
  behindMs = 500;
  (await waiting)();
});

test('work in the background leaves half of the turns to clients, and comes after those who wait', async () => {
  const limits = { ...DEFAULT_DOWNLOAD_LIMITS, maxDownloads: 16, maxDownloadsPerOrganization: 4 };
  const slots = new DownloadSlots(limits);
  const first = slots.takeInBackground(a);
  slots.takeInBackground(a);
  const overload = expect.objectContaining({ detail: { reason: 'overload' } });
  expect(() => slots.takeInBackground(a)).toThrow(overload);
  const clients = [await slots.take(a), await slots.take(a)];
  const waiting = slots.take(a);
  await new Promise((resolve) => setImmediate(resolve));
  expect(() => slots.takeInBackground(b)).toThrow(overload);
  first();
  const third = await waiting;
  slots.takeInBackground(b)();
  for (const release of [...clients, third]) release();
});
