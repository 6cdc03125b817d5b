import { expect, test } from '@jest/globals';
import { startFuzzSite } from './http-fuzz.js';

/** npm run test:http-fuzz has 1,000,000. */
const REQUESTS = Number(process.env['BREAKWATER_TEST_HTTP_FUZZ_REQUESTS'] ?? 50_000);

test(`${REQUESTS} fuzzed requests: no crash, no hang, no 500, no connection to anywhere`, async () => {
  await using site = await startFuzzSite();
  const seed = Number(process.env['BREAKWATER_TEST_HTTP_FUZZ_SEED'] ?? Date.now() % 1_000_000);
  process.stderr.write(`http fuzz: seed ${seed}\n`);
  const report = await site.fuzz(REQUESTS, seed, (done) => process.stderr.write(`http fuzz: ${done} requests\n`));
  process.stderr.write(`http fuzz: ${report.answers} answers, ${JSON.stringify([...report.statuses].sort())}\n`);
  expect(report.problems).toEqual([]);
  expect(report.answers).toBeGreaterThan(REQUESTS / 3);
}, 3_600_000);
