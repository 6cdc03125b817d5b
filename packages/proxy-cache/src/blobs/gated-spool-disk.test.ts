import { expect, test } from '@jest/globals';
import { GatedSpoolDisk } from './gated-spool-disk.js';
import { nodeSpoolDisk, type SpoolDisk } from './spool-disk.js';

const LIMITS = { atOnce: 3, longestMs: 30 };
const stalled = { code: 'UNAVAILABLE', detail: { reason: 'storage' } };
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A disk on which nothing of one kind ends before it is told to. */
function standing(call: 'read' | 'writev' | 'open' | 'stat') {
  const ends: (() => void)[] = [];
  const closed: number[] = [];
  const stand = <T>(result: T) => new Promise<T>((resolve) => ends.push(() => resolve(result)));
  const disk: SpoolDisk = {
    ...nodeSpoolDisk,
    close: async (descriptor) => void closed.push(descriptor),
    ...(call === 'read'
      ? {
          read: async (_descriptor: number, buffer: Uint8Array, bytes: number) => {
            await stand(undefined);
            buffer.fill(1, 0, bytes);
            return bytes;
          },
        }
      : { [call]: () => stand(7) }),
  };
  return { disk: new GatedSpoolDisk(disk, LIMITS), ends, closed };
}

test('a read that was given up fills no buffer that may be used for something else by now', async () => {
  const { disk, ends } = standing('read');
  const buffer = Buffer.alloc(100);
  await expect(disk.read(5, buffer, 100, 0)).rejects.toMatchObject(stalled);
  ends[0]?.();
  await settled();
  expect(buffer.equals(Buffer.alloc(100))).toBe(true);
  const again = disk.read(5, buffer, 100, 0);
  await settled();
  ends[1]?.();
  expect([await again, buffer.equals(Buffer.alloc(100, 1))]).toEqual([100, true]);
});

test('a descriptor is closed when nothing is under way on it any more, and nobody waits for that', async () => {
  const { disk, ends, closed } = standing('writev');
  await expect(disk.writev(5, [Buffer.from('x')], 0)).rejects.toMatchObject(stalled);
  await disk.close(5);
  await disk.close(6);
  expect(closed).toEqual([6]);
  ends[0]?.();
  await settled();
  await settled();
  expect(closed).toEqual([6, 5]);
});

test('what was opened too late is closed', async () => {
  const { disk, ends, closed } = standing('open');
  await expect(disk.open('/nowhere', 'r')).rejects.toMatchObject(stalled);
  ends[0]?.();
  await settled();
  expect(closed).toEqual([7]);
});

test('F125: calls that stand still leave threads for others', async () => {
  const { disk, ends } = standing('stat');
  const calls = Array.from({ length: 10 }, () => disk.stat('/nowhere'));
  expect(await Promise.allSettled(calls)).toEqual(calls.map(() => expect.objectContaining({ status: 'rejected' })));
  expect(ends).toHaveLength(2);
});
