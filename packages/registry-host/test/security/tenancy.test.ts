import { expect, test } from '@jest/globals';
import { startTenancySite } from './tenancy.js';

test('random questions of everybody about everything are answered as the model of rights has it (S26)', async () => {
  await using site = await startTenancySite();
  expect(await site.disagreements(600, Date.now() % 1_000_000)).toEqual([]);
}, 120_000);
