import { expect, test } from '@jest/globals';
import { FAILURE_CLASSES } from './failures.js';

const OUTAGES = [
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

test('outages shield always, refusals by setting, failures of our own never', () => {
  const shields = Object.fromEntries(Object.entries(FAILURE_CLASSES).map(([name, each]) => [name, each.shields]));
  expect(shields).toEqual({
    ...Object.fromEntries(OUTAGES.map((name) => [name, 'always'])),
    removed: 'by-setting',
    denied: 'by-setting',
    storage: 'never',
    database: 'never',
    overload: 'never',
  });
});

test('an outage or a failure of our own is never told as a missing or a bad thing, nor as 500 or 502', () => {
  for (const { shields, status } of Object.values(FAILURE_CLASSES)) {
    if (shields !== 'by-setting') expect([429, 503, 504]).toContain(status);
  }
  expect(FAILURE_CLASSES.timeout.status).toBe(504);
  expect(FAILURE_CLASSES.rate_limited.status).toBe(429);
  expect(FAILURE_CLASSES.removed.status).toBe(404);
  expect(FAILURE_CLASSES.denied.status).toBe(403);
});

test('a reason phrase can stand in a status line', () => {
  for (const { phrase } of Object.values(FAILURE_CLASSES)) expect(phrase).toMatch(/^[A-Za-z ]+$/);
});
