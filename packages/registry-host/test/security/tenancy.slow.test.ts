import { expect, test } from '@jest/globals';
import { startTenancySite } from './tenancy.js';

/** 50,000 in the long profile. */
const QUESTIONS = Number(process.env['BREAKWATER_TEST_TENANCY_QUESTIONS'] ?? 10_000);

test(`${QUESTIONS} random questions are answered as the model of rights has it (S26)`, async () => {
  await using site = await startTenancySite();
  const seed = Date.now() % 1_000_000;
  process.stderr.write(`tenancy: seed ${seed}\n`);
  expect(await site.disagreements(QUESTIONS, seed)).toEqual([]);
});
