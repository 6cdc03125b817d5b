import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { CollectionCaution } from './collection-caution.js';

test('a jump of the clock leaves out one run', () => {
  const caution = new CollectionCaution(movableClock());
  expect(caution.reasonToSkip()).toBeUndefined();
  caution.clockJumped();
  expect([caution.reasonToSkip(), caution.reasonToSkip()]).toEqual(['clock_jumped', undefined]);
});

test('a failure of the database leaves out runs for twice the time in which uses are written, and a little', async () => {
  const clock = movableClock();
  const caution = new CollectionCaution(clock);
  expect(await caution.watch(Promise.resolve(1))).toBe(1);
  expect(caution.reasonToSkip()).toBeUndefined();
  await expect(caution.watch(Promise.reject(new Error('gone')))).rejects.toThrow('gone');
  clock.advance({ ms: 11_999 });
  expect([caution.reasonToSkip(), caution.reasonToSkip()]).toEqual(['database_recovered', 'database_recovered']);
  clock.advance({ ms: 1 });
  expect(caution.reasonToSkip()).toBeUndefined();
});
