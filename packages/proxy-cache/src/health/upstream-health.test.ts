import { silentLogger } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { UpstreamError } from '../upstream/upstream-error.js';
import { type HealthRecord, UNKNOWN_HEALTH } from './health-record.js';
import { type HealthRows, UpstreamHealth } from './upstream-health.js';

const scope = { origin: 'https://registry.example', credential: 'anonymous' };
const refused = new UpstreamError('connect', 'no connection');

/** Something that is answered when the test says so. */
function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

/** The rows, in memory. What is read is as it was when the statement began. */
function rows() {
  const records = new Map<string, HealthRecord>();
  const gates = { read: Promise.resolve(), write: Promise.resolve() };
  const table: HealthRows = {
    async findAll() {
      const read = new Map(records);
      await gates.read;
      return read;
    },
    latest: async () => [],
    tokenServers: async () => new Map(),
    setTokenServer: async () => undefined,
    knownDown: async () => [],
    async change({ credential }, change) {
      await gates.write;
      const before = records.get(credential) ?? UNKNOWN_HEALTH;
      const after = change(before);
      records.set(credential, after);
      return { before, after };
    },
    claimCheck: async () => true,
  };
  return { records, gates, health: new UpstreamHealth(table, movableClock(), () => undefined, silentLogger) };
}

test('what was read before a failure was written does not undo it', async () => {
  const { gates, health } = rows();
  const { open, opened } = gate();
  gates.read = opened;
  const reading = health.facts(scope);
  await health.failed(scope, refused, false);
  open();
  await reading;
  expect(health.peek(scope).down).toMatchObject({ failureClass: 'connect' });
});

test('nor what was read while it was being written', async () => {
  const { gates, health } = rows();
  const { open, opened } = gate();
  gates.write = opened;
  const writing = health.failed(scope, refused, false);
  expect((await health.facts(scope)).down).toMatchObject({ failureClass: 'connect' });
  open();
  await writing;
  expect(health.peek(scope).down).toMatchObject({ failureClass: 'connect' });
});

test('what another process has written since then is seen', async () => {
  const { records, health } = rows();
  await health.failed(scope, refused, false);
  records.set('', { failures: 0, lastSuccessAt: 1 });
  const { down } = await health.facts(scope);
  expect(down).toBeUndefined();
});
