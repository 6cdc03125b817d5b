import { EventEmitter } from 'node:events';
import { type LogFields, type OrganizationName, type RepositoryName, silentLogger } from '@breakwater/registry-core';
import { expect, test } from '@jest/globals';
import { createEmit, type ProxyCacheEmitter } from './recording-emit.js';

const content = { organization: 'lab' as OrganizationName, repository: 'app' as RepositoryName, reference: 'v1' };

function listening() {
  const events: ProxyCacheEmitter = new EventEmitter();
  const noted: unknown[] = [];
  const errors: LogFields[] = [];
  const logger = { ...silentLogger, error: (fields: LogFields) => void errors.push(fields) };
  return { events, noted, errors, ...createEmit(events, { note: (...count) => void noted.push(count) }, logger) };
}

test('the timeline counts what belongs there, whoever listens', () => {
  const { noted, emit } = listening();
  emit('masked-error', { ...content, failureClass: 'dns', ageMs: 1 });
  emit('integrity-failure', { ...content, failureClass: 'integrity' });
  emit('pull', { ...content, kind: 'blob', result: 'hit' });
  const organizations = ['lab', 'shop'] as OrganizationName[];
  emit('upstream-down', { origin: 'https://example.com', organizations, failureClass: 'dns' });
  expect(noted).toEqual([
    ['lab', 'masked_error', 'dns'],
    ['lab', 'integrity_failure', 'integrity'],
    ['lab', 'upstream_down', 'dns'],
    ['shop', 'upstream_down', 'dns'],
  ]);
});

test('a listener that throws costs no pull', () => {
  const { events, noted, errors, emit } = listening();
  events.on('masked-error', () => {
    throw new Error('a fault of the host');
  });
  expect(() => emit('masked-error', { ...content, failureClass: 'dns', ageMs: 1 })).not.toThrow();
  expect(noted).toHaveLength(1);
  expect(errors).toMatchObject([{ event: 'masked-error' }]);
});

test('nobody listens until somebody does', () => {
  const { events, isHeard } = listening();
  expect(isHeard('pull')).toBe(false);
  events.on('pull', () => undefined);
  expect(isHeard('pull')).toBe(true);
});
