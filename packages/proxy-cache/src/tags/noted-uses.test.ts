import { expect, test } from '@jest/globals';
import { NotedUses } from './noted-uses.js';

const MOST = 2;

test('the last use of each subject is written, of so many subjects at most', async () => {
  const uses = new NotedUses<{ name: string }>(MOST);
  uses.note('a', 1, { name: 'a' });
  uses.note('b', 2, { name: 'b' });
  uses.note('a', 3, { name: 'a' });
  uses.note('c', 4, { name: 'c' });
  const written: unknown[] = [];
  const write = async (batch: readonly unknown[]) => void written.push(...batch);
  await uses.flush(write);
  await uses.flush(write);
  expect(written).toEqual([
    { name: 'a', at: 3 },
    { name: 'b', at: 2 },
  ]);
});

test('what cannot be written is kept, and a later use of the same counts', async () => {
  const uses = new NotedUses<{ name: string }>(MOST);
  uses.note('a', 1, { name: 'a' });
  uses.note('b', 2, { name: 'b' });
  const failing = uses.flush(async () => {
    uses.note('a', 5, { name: 'a' });
    throw new Error('no database');
  });
  await expect(failing).rejects.toThrow('no database');
  const written: unknown[] = [];
  await uses.flush(async (batch) => void written.push(...batch));
  expect(written).toEqual([
    { name: 'a', at: 5 },
    { name: 'b', at: 2 },
  ]);
});
