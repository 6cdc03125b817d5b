import type { OrganizationName, RepositoryName } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import type { Emit } from './events.js';
import { UpstreamError } from './upstream/upstream-error.js';
import { UpstreamFailures } from './upstream-failures.js';

const content = { repository: 'app' as RepositoryName, reference: 'v1' };
const denied = new UpstreamError('denied', 'no', { upstreamStatus: 401 });
const credentials = { username: 'bot', password: 'the password' };
const settings = (credentialVersion: number, organization = 'lab') => ({
  organization: organization as OrganizationName,
  credentials,
  credentialVersion,
});

function listening() {
  const clock = movableClock();
  const told: unknown[] = [];
  const emit: Emit = (name, ...payload) => void told.push([name, ...payload]);
  return { clock, told, failures: new UpstreamFailures(emit, clock) };
}

test('rejected credentials are told once per version and half a minute', () => {
  const { clock, told, failures } = listening();
  const tell = (version: number, organization?: string) =>
    failures.tell(settings(version, organization), content, denied, () => 'request-1');
  tell(1);
  clock.advance({ seconds: 29 });
  tell(1);
  expect(told).toEqual([
    [
      'credentials-rejected',
      { organization: 'lab', ...content, failureClass: 'denied', upstreamStatus: 401, requestId: 'request-1' },
    ],
  ]);
  clock.advance({ seconds: 1 });
  tell(1);
  expect(told).toHaveLength(2);
  tell(2);
  expect(told).toHaveLength(3);
  tell(1, 'other');
  expect(told).toHaveLength(4);
  expect(JSON.stringify(told)).not.toMatch(/bot|the password/);
});

test('who has no credentials has none rejected', () => {
  const { told, failures } = listening();
  const { credentials: _, ...anonymous } = settings(1);
  failures.tell(anonymous, content, denied, undefined);
  expect(told).toEqual([]);
});

test('wrong content is told each time; an outage is health and no failure of this kind', () => {
  const { told, failures } = listening();
  const wrong = new UpstreamError('integrity', 'wrong bytes');
  failures.tell(settings(1), content, wrong, undefined);
  failures.tell(settings(1), content, wrong, () => 'request-2');
  failures.tell(settings(1), content, new UpstreamError('connect', 'refused'), undefined);
  const event = { organization: 'lab', ...content, failureClass: 'integrity' };
  expect(told).toEqual([
    ['integrity-failure', event],
    ['integrity-failure', { ...event, requestId: 'request-2' }],
  ]);
});
