import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { allCases, sampledCases } from './cases.js';
import type { FaultRow } from './fault-row.js';
import { FaultSite } from './fault-site.js';
import { type CaseResult, runCase } from './run-case.js';
import { commitOf, writeResults } from './write-results.js';

/** Set by `npm run test:faults`: the whole product instead of a sample of it. */
const isWhole = process.env['BREAKWATER_TEST_FAULTS'] === 'whole';
const ROW_WITHIN_MS = 20 * 60_000;
/** Sockets of the machinery come and go by a few. */
const SPARE_DESCRIPTORS = 12;
const SETTLED_WITHIN_MS = 5_000;

/** The suite over one part of the table. */
export function describeFaults(part: string, rows: readonly FaultRow[]): void {
  describe(`faults of ${part}`, () => {
    const site = new FaultSite();
    const results: CaseResult[] = [];
    const began = performance.now();

    beforeAll(() => site.start(), 60_000);
    afterAll(async () => {
      await site[Symbol.asyncDispose]();
      report(part, rows, results, Math.round(performance.now() - began));
    });

    afterEach(async () => {
      // S6: whatever connects, it is the one module that may. The two are told of it one after the other.
      const { outbound, registry } = site;
      const { proxyCache } = registry.registry;
      for (let ms = 0; ms < 1_000 && outbound.count !== proxyCache.connectionsOpened; ms += 20) await sleep(20);
      expect(outbound.count).toBe(proxyCache.connectionsOpened);
    });

    for (const [number, row] of rows.entries()) {
      test(
        `${row.id}: ${row.title}`,
        async () => {
          const before = openDescriptors();
          const cases = isWhole ? allCases : sampledCases(number);
          {
            await using at = await site.openRow(row, number);
            for (const each of cases) results.push(await runCase(site, at, row, each));
          }
          const failed = results.slice(-cases.length).filter(({ problems }) => problems.length > 0);
          expect(failed.map(told)).toEqual([]);
          expect(await site.told.metricFaults()).toEqual([]);
          expect(await descriptorsBack(before)).toBeLessThanOrEqual(before + SPARE_DESCRIPTORS);
        },
        ROW_WITHIN_MS,
      );
    }
  });
}

function told({ case: { state, kind, by, method }, got, problems }: CaseResult): string {
  return `${state} ${kind} by ${by}, ${method} first, got ${got.join(', ')}: ${problems.join('; ')}`;
}

/** Open descriptors of this process, sockets and files; 0 where the system does not show them. */
function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

async function descriptorsBack(before: number): Promise<number> {
  for (let waited = 0; waited < SETTLED_WITHIN_MS && openDescriptors() > before + SPARE_DESCRIPTORS; waited += 100) {
    await sleep(100);
  }
  return openDescriptors();
}

function report(part: string, rows: readonly FaultRow[], results: readonly CaseResult[], ms: number): void {
  const profile = isWhole ? 'whole' : 'short';
  const failed = results.filter(({ problems }) => problems.length > 0).length;
  const file = `faults-${profile}-${part.replaceAll(' ', '-')}.json`;
  const counts = { rows: rows.length, cases: results.length, requests: 2 * results.length, failed };
  const summary = { part, profile, commit: commitOf(), at: new Date().toISOString(), ms, ...counts };
  writeResults(file, { ...summary, results });
  process.stdout.write(`faults of ${part}: ${results.length} cases in ${rows.length} rows, ${failed} failed\n`);
}
