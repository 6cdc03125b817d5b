import type { ExplainedLink, ExplainedTag } from '@breakwater/gc';
import type { Digest, OrganizationName, RepositoryName, Tag } from '@breakwater/registry-core';
import { expect, test } from '@jest/globals';
import { explanationText } from './explanation-text.js';

const NOW = Date.UTC(2024, 1, 29, 13);
const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const repository = {
  organization: 'acme' as OrganizationName,
  name: 'team/app' as RepositoryName,
  upstream: 'docker.io',
};
const held: ExplainedTag = {
  tag: {
    repository,
    reference: { kind: 'tag', tag: 'v1' as Tag },
    digest: DIGEST,
    confirmedAt: NOW - 7_200_000,
    lastUsedAt: NOW - 60_000,
    stalenessPeriodS: 3_600,
    pinned: false,
  },
  ageMs: 7_200_000,
  hold: { kind: 'held', downSince: NOW - 60_000 },
  verdict: { action: 'keep', reason: 'held', upstream: 'docker.io', downSince: NOW - 60_000 },
};
const link: ExplainedLink = {
  repository,
  kind: 'manifest',
  usedAt: NOW - 60_000,
  leaseLeftMs: 0,
  referencedBy: { total: 31, more: false, cachedTags: [held], hostedTags: [], manifests: [DIGEST] },
  verdict: { action: 'keep', reason: 'tagged' },
};

test('a tag is told with its clocks, its hold and the reason', () => {
  const text = explanationText({ explainedAt: NOW, tags: [held], stored: [], links: [], linksTotal: 0 });
  expect(text).toBe(
    [
      'If a run began now (2024-02-29T13:00:00.000Z), quotas aside:',
      '',
      'acme/team/app:v1 (from docker.io) STAYS: its upstream is down, so it could not be had again (held)',
      `  points to  ${DIGEST}`,
      '  confirmed  2024-02-29T11:00:00.000Z: 7200 s ago, of a staleness period of 3600 s',
      '  last pull  2024-02-29T12:59:00.000Z; expiration none',
      '  pinned     no',
      '  hold       held since 2024-02-29T12:59:00.000Z',
      '',
    ].join('\n'),
  );
});

test('content is told with what refers to it, some by name and all by number', () => {
  const stored = [{ kind: 'manifest' as const, size: 2_048, links: 21 }];
  const text = explanationText({ explainedAt: NOW, tags: [], stored, links: [link], linksTotal: 21 });
  expect(text).toBe(
    [
      'If a run began now (2024-02-29T13:00:00.000Z), quotas aside:',
      '',
      'stored as a manifest, 2.0 KiB, linked to by 21',
      '',
      'manifest in acme/team/app (from docker.io) STAYS: a tag points to it (tagged)',
      '  last used  2024-02-29T12:59:00.000Z; lease left 0 s',
      '  kept by    31',
      '    v1, which itself STAYS (held)',
      `    manifest ${DIGEST}`,
      '    … and 29 more',
      '',
      '… and 20 more links',
      '',
    ].join('\n'),
  );
});

test('what goes, and what is stored without a link, is told so', () => {
  const gone = { ...link, verdict: { action: 'remove', reason: 'unreachable' } } as const;
  const stored = [{ kind: 'blob' as const, size: 1, links: 0 }];
  const text = explanationText({ explainedAt: NOW, tags: [], stored, links: [gone], linksTotal: 1 });
  expect(text).toContain('manifest in acme/team/app (from docker.io) GOES: nothing that stays needs it (unreachable)');
  expect(text).toContain('stored as a blob, 1 B, without a link: its space is FREED by the next run');
});
