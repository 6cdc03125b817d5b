import { FAILURE_CLASSES, type OutageClass, type UpstreamFailureClass } from '@breakwater/registry-core';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CheckOutcome, decideAnswer } from './decide-answer.js';
import { CHECK_AHEAD_FROM, decidePull, type HealthFacts, MIN_CHECK_AHEAD_INTERVAL_S } from './decide-pull.js';
import { ageMs, cachedTagState, effectiveCheckIntervalS, type FreshnessSettings, type TagFacts } from './freshness.js';

const OUTAGES: readonly OutageClass[] = [
  'connect',
  'dns',
  'tls',
  'timeout',
  'server_error',
  'protocol',
  'integrity',
  'rate_limited',
  'blocked',
  'auth',
];
const STATES = ['absent', 'fresh', 'stale', 'lapsed'] as const;
const OUTCOMES = ['same', 'new digest', 'removed', 'denied', 'any other failure'] as const;

const NOW = Date.UTC(2024, 0, 1);

const period = fc.oneof(fc.constantFrom(0, 1, 599, 600, 3_600, 86_400), fc.nat(1_000_000));
/** As settings are saved: a check interval longer than the staleness period is refused. */
const settings: fc.Arbitrary<FreshnessSettings> = fc
  .tuple(period, fc.oneof(fc.constant(null), fc.constant(0), period))
  .map(([stalenessPeriodS, interval]) => ({
    stalenessPeriodS,
    checkIntervalS: interval === null ? null : Math.min(interval, stalenessPeriodS),
  }));
/** Ages around what decides: the periods, and a millisecond to either side. */
const entryFor = (periods: FreshnessSettings): fc.Arbitrary<TagFacts> => {
  const turns = [0, effectiveCheckIntervalS(periods) * 750, effectiveCheckIntervalS(periods) * 1000];
  return fc
    .oneof(
      fc.constantFrom(...turns, periods.stalenessPeriodS * 1000),
      fc.nat(2_000_000_000),
      fc.integer({ min: -10, max: -1 }),
    )
    .chain((age) => fc.constantFrom(-1, 0, 1).map((offset) => ({ confirmedAt: NOW - age - offset })));
};
const health: fc.Arbitrary<HealthFacts> = fc.record(
  {
    down: fc.record({ since: fc.constant(NOW - 5_000), failureClass: fc.constantFrom(...OUTAGES) }),
    retryAfterUntil: fc.constantFrom(NOW - 1, NOW, NOW + 1, NOW + 60_000),
    rateLimitLow: fc.boolean(),
  },
  { requiredKeys: [] },
);
const pulls = settings.chain((periods) =>
  fc.record({
    settings: fc.constant(periods),
    entry: fc.oneof(fc.constant(undefined), entryFor(periods)),
    health,
  }),
);

describe('freshness', () => {
  const hour = { stalenessPeriodS: 7_200, checkIntervalS: 3_600 };
  test.each([
    [hour, 0, 'fresh'],
    [hour, -5_000, 'fresh'],
    [hour, 3_599_999, 'fresh'],
    [hour, 3_600_000, 'stale'],
    [hour, 7_200_000, 'stale'],
    [hour, 7_200_001, 'lapsed'],
    [{ stalenessPeriodS: 10, checkIntervalS: null }, 9_999, 'fresh'],
    [{ stalenessPeriodS: 10, checkIntervalS: null }, 10_000, 'stale'],
    [{ stalenessPeriodS: 10, checkIntervalS: null }, 10_001, 'lapsed'],
    [{ stalenessPeriodS: 10, checkIntervalS: 10 }, 10_000, 'stale'],
    [{ stalenessPeriodS: 10, checkIntervalS: 0 }, 0, 'stale'],
    [{ stalenessPeriodS: 10, checkIntervalS: 0 }, 10_000, 'stale'],
    [{ stalenessPeriodS: 0, checkIntervalS: null }, 0, 'lapsed'],
    [{ stalenessPeriodS: 0, checkIntervalS: 0 }, 0, 'lapsed'],
  ] as const)('%j at an age of %d ms is %s', (periods, age, state) => {
    expect(cachedTagState({ confirmedAt: NOW - age }, periods, NOW)).toBe(state);
  });

  test('an age is never below 0', () => {
    expect(ageMs({ confirmedAt: NOW + 1 }, NOW)).toBe(0);
  });

  test('with time a tag only goes from fresh to stale to lapsed', () => {
    fc.assert(
      fc.property(settings, fc.nat(2_000_000_000), fc.nat(2_000_000_000), (periods, age, more) => {
        const order = ['fresh', 'stale', 'lapsed'];
        const at = (ms: number) => order.indexOf(cachedTagState({ confirmedAt: NOW - ms }, periods, NOW));
        expect(at(age + more)).toBeGreaterThanOrEqual(at(age));
      }),
    );
  });
});

describe('what a pull does before the upstream is asked', () => {
  test('I3: a fresh tag is served, whatever is known of the upstream', () => {
    fc.assert(
      fc.property(pulls, ({ settings: periods, entry, health: facts }) => {
        fc.pre(entry !== undefined && cachedTagState(entry, periods, NOW) === 'fresh');
        expect(decidePull(entry, periods, facts, NOW).kind).toBe('serve');
      }),
    );
  });

  test('I2: a fresh or stale tag is never refused, and asks at most within the check budget', () => {
    fc.assert(
      fc.property(pulls, ({ settings: periods, entry, health: facts }) => {
        fc.pre(entry !== undefined && cachedTagState(entry, periods, NOW) !== 'lapsed');
        const decision = decidePull(entry, periods, facts, NOW);
        expect(['serve', 'shield', 'ask']).toContain(decision.kind);
        if (decision.kind === 'ask') expect(decision.budget).toBe('check');
      }),
    );
  });

  test('I2: a stale tag waits for nobody once the upstream is known to be down', () => {
    fc.assert(
      fc.property(pulls, ({ settings: periods, entry, health: facts }) => {
        fc.pre(entry !== undefined && cachedTagState(entry, periods, NOW) === 'stale');
        const inVain = facts.down !== undefined || (facts.retryAfterUntil ?? 0) > NOW;
        expect(decidePull(entry, periods, facts, NOW).kind).toBe(inVain ? 'shield' : 'ask');
      }),
    );
  });

  test('absent and lapsed content is always tried, but not while a Retry-After is in force', () => {
    fc.assert(
      fc.property(pulls, ({ settings: periods, entry, health: facts }) => {
        const state = entry === undefined ? 'absent' : cachedTagState(entry, periods, NOW);
        fc.pre(state === 'absent' || state === 'lapsed');
        const left = (facts.retryAfterUntil ?? 0) - NOW;
        expect(decidePull(entry, periods, facts, NOW)).toEqual(
          left > 0 ? { kind: 'refuse', state, retryAfterMs: left } : { kind: 'ask', state, budget: 'client' },
        );
      }),
    );
  });

  test('a staleness period of 0 never serves unconfirmed', () => {
    fc.assert(
      fc.property(entryFor({ stalenessPeriodS: 0, checkIntervalS: 0 }), health, (entry, facts) => {
        const decision = decidePull(entry, { stalenessPeriodS: 0, checkIntervalS: null }, facts, NOW);
        expect(['ask', 'refuse']).toContain(decision.kind);
      }),
    );
  });

  const aged = (periods: FreshnessSettings, ms: number, facts: HealthFacts = {}) => {
    const decision = decidePull({ confirmedAt: NOW - ms }, periods, facts, NOW);
    return decision.kind === 'serve' ? decision.checkAhead : decision.kind;
  };

  test('a check ahead starts in the last quarter of a check interval of ten minutes or more', () => {
    const hour = { stalenessPeriodS: 86_400, checkIntervalS: 3_600 };
    expect(aged(hour, 2_699_999)).toBe(false);
    expect(aged(hour, 2_700_000)).toBe(true);
    expect(aged(hour, 3_599_999)).toBe(true);
    expect(aged(hour, 3_600_000)).toBe('ask');
    expect(aged({ stalenessPeriodS: 600, checkIntervalS: null }, 450_000)).toBe(true);
    expect(aged({ stalenessPeriodS: 599, checkIntervalS: null }, 598_000)).toBe(false);
    expect(aged({ stalenessPeriodS: 86_400, checkIntervalS: 599 }, 598_000)).toBe(false);
  });

  test.each([
    [{ down: { since: NOW, failureClass: 'dns' } }],
    [{ rateLimitLow: true }],
    [{ retryAfterUntil: NOW + 1 }],
  ] as const)('no check ahead with %j', (facts) => {
    expect(aged({ stalenessPeriodS: 3_600, checkIntervalS: null }, 3_000_000, facts)).toBe(false);
    expect(aged({ stalenessPeriodS: 3_600, checkIntervalS: null }, 3_000_000)).toBe(true);
  });

  test('no check ahead before it is due, whatever the settings', () => {
    fc.assert(
      fc.property(pulls, ({ settings: periods, entry, health: facts }) => {
        const decision = decidePull(entry, periods, facts, NOW);
        if (entry === undefined || decision.kind !== 'serve' || !decision.checkAhead) return;
        const interval = effectiveCheckIntervalS(periods);
        expect(interval).toBeGreaterThanOrEqual(MIN_CHECK_AHEAD_INTERVAL_S);
        expect(ageMs(entry, NOW)).toBeGreaterThanOrEqual(interval * 1000 * CHECK_AHEAD_FROM);
      }),
    );
  });
});

describe('what becomes of the answer: the table of design 4', () => {
  /** The cells that were reached, as `state/outcome`. A fresh tag has no answer to wait for: a check ahead runs behind. */
  const reached = new Set<string>();
  const failure: fc.Arbitrary<CheckOutcome> = fc
    .constantFrom<UpstreamFailureClass>(...OUTAGES, 'removed', 'denied')
    .map((failureClass) => ({ kind: 'failed', failureClass }));
  const outcome = fc.oneof(fc.constantFrom<CheckOutcome>({ kind: 'same' }, { kind: 'moved' }), failure);
  const bySetting = fc.record({ serveWhenRemoved: fc.boolean(), serveWhenDenied: fc.boolean() });

  function column(result: CheckOutcome): (typeof OUTCOMES)[number] {
    if (result.kind === 'same') return 'same';
    if (result.kind === 'moved') return 'new digest';
    if (result.failureClass === 'removed' || result.failureClass === 'denied') return result.failureClass;
    return 'any other failure';
  }

  /** Chance need not reach every cell; these do. */
  function everyCase(): [
    (typeof STATES)[number],
    CheckOutcome,
    { serveWhenRemoved: boolean; serveWhenDenied: boolean },
  ][] {
    const outcomes: CheckOutcome[] = [
      { kind: 'same' },
      { kind: 'moved' },
      ...[...OUTAGES, 'removed' as const, 'denied' as const].map(
        (failureClass): CheckOutcome => ({ kind: 'failed', failureClass }),
      ),
    ];
    return STATES.flatMap((state) =>
      outcomes.flatMap((each) =>
        [true, false].flatMap((serveWhenRemoved) =>
          [true, false].map((serveWhenDenied): ReturnType<typeof everyCase>[number] => [
            state,
            each,
            { serveWhenRemoved, serveWhenDenied },
          ]),
        ),
      ),
    );
  }

  test('every cell', () => {
    fc.assert(
      fc.property(fc.constantFrom(...STATES), outcome, bySetting, (state, result, refusals) => {
        const cell = column(result);
        reached.add(`${state}/${cell}/${refusals.serveWhenRemoved}/${refusals.serveWhenDenied}`);
        const decision = decideAnswer(state, result, refusals);
        if (result.kind === 'same') expect(decision).toEqual({ kind: 'confirm' });
        else if (result.kind === 'moved') expect(decision).toEqual({ kind: 'retarget' });
        else {
          const { failureClass } = result;
          const keeps =
            cell === 'removed' ? refusals.serveWhenRemoved : cell === 'denied' ? refusals.serveWhenDenied : true;
          const shields = state === 'fresh' || (state === 'stale' && keeps);
          const why = cell === 'any other failure' ? 'outage' : cell;
          expect(decision).toEqual(shields ? { kind: 'shield', why, failureClass } : { kind: 'pass', failureClass });
        }
      }),
      { numRuns: 3_000, examples: everyCase() },
    );
  });

  test('I2: no failure of the upstream hides a fresh or stale image', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('fresh', 'stale'),
        fc.constantFrom(...OUTAGES),
        bySetting,
        (state, failureClass, by) => {
          expect(decideAnswer(state, { kind: 'failed', failureClass }, by).kind).toBe('shield');
        },
      ),
    );
  });

  test('the outages here are those of the failure table', () => {
    const always = Object.entries(FAILURE_CLASSES).filter(([, { shields }]) => shields === 'always');
    expect(always.map(([name]) => name).sort()).toEqual([...OUTAGES].sort());
  });

  afterAll(() => {
    const cells = STATES.flatMap((state) =>
      OUTCOMES.flatMap((name) =>
        [true, false].flatMap((removed) => [true, false].map((denied) => `${state}/${name}/${removed}/${denied}`)),
      ),
    );
    expect(cells).toHaveLength(80);
    expect(cells.filter((cell) => !reached.has(cell))).toEqual([]);
  });
});
