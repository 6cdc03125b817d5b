import type { GcReport } from '@breakwater/gc';
import type { Digest, OrganizationName, RepositoryName } from '@breakwater/registry-core';
import { expect, test } from '@jest/globals';
import { reportText, stepText } from './report-text.js';

const NOW = Date.UTC(2024, 1, 29, 13);
const KEPT = {
  pinned: 0,
  within_staleness: 0,
  kept_for_ever: 0,
  used_recently: 0,
  held: 0,
  upstream_unknown: 0,
  changed: 0,
};
const NONE: GcReport = {
  runId: '7d8f',
  dryRun: false,
  outcome: 'done',
  startedAt: NOW,
  finishedAt: NOW + 1_240,
  steps: [],
  expired: [],
  expiredTotal: 0,
  kept: KEPT,
  keptTags: [],
  held: [],
  links: { removed: [], keptTotal: { leased: 0, tagged: 0, needed: 0, changed: 0 }, kept: [] },
  freed: { manifests: 0, blobs: 0, bytes: 0, items: [] },
};
const tag = (reference: string) => ({
  organization: 'acme' as OrganizationName,
  repository: 'team/app' as RepositoryName,
  reference,
  digest: `sha256:${'a'.repeat(64)}` as Digest,
  reason: 'lapsed_and_unused' as const,
  confirmedAt: NOW - 5_000,
  lastUsedAt: Number.NaN,
  stalenessPeriodS: 1,
});

test('a run with nothing to do says so in a few lines', () => {
  expect(reportText(NONE)).toBe(
    [
      'Run 7d8f: done in 1.2 s',
      '',
      '',
      'Tags removed: 0',
      'Tags kept of those that were looked at: 0',
      'Manifests and blobs kept of those that were looked at: 0',
      'Freed: 0 manifests and 0 blobs, 0 B',
      '',
    ].join('\n'),
  );
});

test('a braked run says how much it was, and what to do', () => {
  const text = reportText({ ...NONE, outcome: 'braked', brake: { blobs: 1_100, of: 2_000 } });
  expect(text).toContain('Run 7d8f: braked');
  expect(text).toContain('1100 of 2000 blobs would go');
  expect(text).toContain('breakwater gc --force');
});

test('of many tags twenty are named, by tag and by digest, and the rest is counted', () => {
  const expired = [tag('v1'), tag(`sha256:${'b'.repeat(64)}`), ...Array.from({ length: 998 }, (_, n) => tag(`x${n}`))];
  const text = reportText({ ...NONE, dryRun: true, expired, expiredTotal: 12_345, kept: { ...KEPT, pinned: 2 } });
  expect(text).toContain('(dry run, nothing was deleted)');
  expect(text).toContain('Tags would be removed: 12345');
  expect(text).toMatch(
    /acme\/team\/app:v1 +lapsed_and_unused +confirmed 2024-02-29T12:59:55.000Z, pulled at no known time/,
  );
  expect(text).toContain('acme/team/app@sha256:bbbb');
  expect(text).toContain('… and 12325 more');
  expect(text).toContain('Tags kept: 2 pinned');
});

test('what is held says since when, and a step what failed it', () => {
  const held = [{ organization: 'acme' as OrganizationName, upstream: 'docker.io', downSince: NOW, tags: 7 }];
  expect(reportText({ ...NONE, held })).toContain(
    'held: 7 tags of acme, whose upstream docker.io is down since 2024-02-29T13:00:00.000Z',
  );
  const sorts = { uploads: { files: 2, bytes: 3 * 1024 ** 3 }, 'partial downloads': { files: 0, bytes: 0 } };
  expect(stepText({ name: 'drop_stale_files', ms: 3, files: 2, bytes: 3 * 1024 ** 3, sorts, error: 'EIO' })).toBe(
    'drop_stale_files: FAILED (EIO), files 2, bytes 3.0 GiB, 2 uploads of 3.0 GiB',
  );
});
