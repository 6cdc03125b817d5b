import fc from 'fast-check';

// How many cases each property test tries. The long profile, `npm run test:fuzz`, sets it; otherwise a test's own number
// or fast-check's hundred counts.
const runs = Number(process.env.BREAKWATER_TEST_PROPERTY_RUNS);
if (Number.isSafeInteger(runs) && runs > 0) fc.configureGlobal({ numRuns: runs });
