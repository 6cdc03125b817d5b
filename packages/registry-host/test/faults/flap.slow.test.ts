import { pullImage } from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FaultCase } from './cases.js';
import type { CaseContent, FaultRow } from './fault-row.js';
import { FaultSite, pathOf, type RowSite } from './fault-site.js';
import { connectionRows } from './rows/connection-rows.js';
import { httpRows } from './rows/http-rows.js';
import { originRows } from './rows/origin-rows.js';
import { commitOf, writeResults } from './write-results.js';

// F15 and K1: cached images are pulled without end, whole and hashed by a client of its own, while their upstream goes
// from fault to fault and is up in between. `npm run test:flap` pulls 20,000 of them.

const isWhole = process.env['BREAKWATER_TEST_FAULTS'] === 'whole';
const PULLS = isWhole ? 20_000 : 300;
const IMAGES = 8;
const PULLERS = 8;
const WHOLE_WITHIN_MS = 30 * 60_000;
const YEAR_S = 365 * 86_400;
const SECOND_MS = 1_000;
const CASES: readonly FaultCase[] = [
  { state: 'A', kind: 'image', by: 'tag', method: 'GET' },
  { state: 'A', kind: 'index', by: 'tag', method: 'GET' },
];

/** Those that befall one upstream as it is: no other credentials, and no tag that moves to what cannot be had (F63). */
const rows = [...connectionRows, ...httpRows, ...originRows].filter(
  ({ settings, moves, breaks, blackHole, auth, tls }) =>
    settings === undefined &&
    tls !== true &&
    moves !== true &&
    breaks === undefined &&
    blackHole !== true &&
    (auth === undefined || auth.kind === 'bearer'),
);

interface Flapping {
  readonly pulls: number;
  readonly flaps: number;
  readonly bytes: number;
  /** Pulls that were answered from the cache without the upstream's confirmation. */
  readonly shielded: number;
  readonly problems: readonly string[];
}

describe('an upstream that flaps through every fault', () => {
  const site = new FaultSite();
  beforeAll(() => site.start(), 60_000);
  afterAll(async () => {
    await site[Symbol.asyncDispose]();
    const facts = { commit: commitOf(), at: new Date().toISOString() };
    writeResults(`flap-${isWhole ? 'whole' : 'short'}.json`, { ...facts, ...told, control });
  });
  let told = {};
  let control = {};

  test(
    `${PULLS} pulls of cached images: not one fails`,
    async () => {
      const { pulls, flaps, bytes, shielded, problems } = await flap(PULLS, YEAR_S, 1);
      process.stdout.write(
        `flap: ${pulls} pulls, ${shielded} of them shielded, ${flaps} faults, ${bytes} bytes hashed, ${problems.length} failed\n`,
      );
      told = { pulls, flaps, bytes, shielded, failed: problems.length };
      expect(problems).toEqual([]);
      expect(pulls).toBeGreaterThanOrEqual(PULLS);
      expect(flaps).toBeGreaterThanOrEqual(rows.length);
      // Else the faults were not met.
      expect(shielded).toBeGreaterThan(flaps / 2);
    },
    WHOLE_WITHIN_MS,
  );

  test(
    'the same with a staleness period of 0 fails',
    async () => {
      const { pulls, problems } = await flap(Math.min(PULLS, 1_000), 0, 2);
      control = { pulls, failed: problems.length };
      expect(problems.length).toBeGreaterThan(rows.length / 4);
    },
    WHOLE_WITHIN_MS,
  );

  async function flap(wanted: number, stalenessS: number, number: number): Promise<Flapping> {
    const settings = { staleness_period_s: stalenessS, check_interval_s: 0 };
    const pseudo: FaultRow = { id: 'F15', title: 'up and down', A: '=', B: '=', D: '=', blob: '=', settings };
    await using at = await site.openRow({ ...pseudo, auth: { kind: 'bearer', hideMissing: true } }, 1_000 + number);
    const cached: CaseContent[] = [];
    for (let n = 0; n < IMAGES; n += 1) {
      const each = CASES[n % CASES.length];
      if (each !== undefined) cached.push(await at.prepare(each));
    }
    const problems: string[] = [];
    let pulls = 0;
    let bytes = 0;
    let shielded = 0;
    site.registry.registry.proxyCache.events.on('shielded-pull', () => {
      shielded += 1;
    });
    let isDone = false;
    let next = 0;
    const pullOne = async () => {
      const asked = cached[next % cached.length];
      next += 1;
      if (asked === undefined) return;
      const repository = `${at.organization}/${asked.repository}`;
      const pulled = await pullImage(site.registry.url, repository, asked.tag);
      const { manifest, manifests, blobs } = pulled;
      for (const each of [...manifests.values(), ...blobs.values()]) bytes += each.bytes.byteLength;
      const isRight = `sha256:${manifest.sha256}` === asked.content.manifest.digest;
      const wrong = isRight ? pulled.problems : [...pulled.problems, 'another image'];
      if (wrong.length > 0) problems.push(`${repository}: ${wrong.join('; ')}`);
      pulls += 1;
    };
    const pullers = Array.from({ length: PULLERS }, async () => {
      while (!isDone) await pullOne();
    });
    const flaps = await goThroughFaults(
      at,
      cached,
      Math.max(3, Math.floor(wanted / rows.length / 8)),
      () => pulls,
      wanted,
    );
    isDone = true;
    await Promise.all(pullers);
    return { pulls, flaps, bytes, shielded, problems };
  }

  /** One fault after the other, each for so many pulls, until there were enough pulls and each fault was there. */
  async function goThroughFaults(
    at: RowSite,
    cached: readonly CaseContent[],
    pullsEach: number,
    pulls: () => number,
    wanted: number,
  ): Promise<number> {
    let flaps = 0;
    while (pulls() < wanted || flaps < rows.length) {
      const row = rows[flaps % rows.length];
      const asked = cached[flaps % cached.length];
      if (row === undefined || asked === undefined) break;
      const end = await at.flap(row, asked);
      await reached(pulls() + pullsEach, pulls);
      // Over the end of a window, so that it is tried again in the middle of the fault.
      site.clock.advance({ ms: 7 * SECOND_MS });
      await reached(pulls() + pullsEach, pulls);
      await end();
      // What is not cached is asked for at once, and its success ends the outage for everybody.
      const absent: FaultCase = { state: 'D', kind: 'image', by: 'tag', method: 'GET' };
      const fresh = await at.prepare(absent);
      expect(await at.get('GET', pathOf(absent, fresh))).toMatchObject({ status: 200 });
      await reached(pulls() + 2, pulls);
      flaps += 1;
    }
    return flaps;
  }
});

async function reached(goal: number, pulls: () => number): Promise<void> {
  while (pulls() < goal) await new Promise((resolve) => setTimeout(resolve, 1));
}
