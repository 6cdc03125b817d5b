import { setTimeout as sleep } from 'node:timers/promises';
import { InProcessMessages, type Messages, type OrganizationName } from '@breakwater/registry-core';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { org, startCluster, type TestCluster, type TestProcess } from './support/harness.js';

// Messages make changes known sooner; here the poll comes so late that nothing else could have.

const POLL_TOO_LATE_MS = 60_000;

let cluster: TestCluster;
let messages: InProcessMessages;
let here: TestProcess;
let there: TestProcess;
let count = 0;
let name: OrganizationName;
let path = '';

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());
beforeEach(async () => {
  count += 1;
  name = org(`org${count}`);
  path = `/api/v1/organization/${name}/proxycache`;
  messages = new InProcessMessages();
  here = await cluster.startProcess({ messages, maxStaleMs: POLL_TOO_LATE_MS });
  there = await cluster.startProcess({ messages, maxStaleMs: POLL_TOO_LATE_MS });
});

const seenThere = async () => (await there.orgSettings.settings.find(name))?.stalenessPeriodS;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 5_000; performance.now() < end; await sleep(5)) if (await holds()) return;
  throw new Error(`${what}: not within 5 s`);
}

test('creation, change and deletion are seen by the other process because of a message', async () => {
  expect(await seenThere()).toBeUndefined();
  await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 });
  await until('it is there', async () => (await seenThere()) === 1);
  await here.call('PUT', path, { staleness_period_s: 2 });
  await until('it is changed', async () => (await seenThere()) === 2);
  await here.call('DELETE', path);
  await until('it is gone', async () => (await seenThere()) === undefined);
});

test('a message that comes while the change number is being read leads to another reading', async () => {
  await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 });
  await until('it is there', async () => (await seenThere()) === 1);
  for (let period = 2; period < 12; period += 1) {
    const answer = here.call('PUT', path, { staleness_period_s: period });
    for (let each = 0; each < 20; each += 1) await messages.publish('organization-settings', 'a flood');
    await answer;
  }
  await until('the last one is seen', async () => (await seenThere()) === 11);
});

test('whoever writes does not ask for its own change, and messages that are lost or late hurt nobody', async () => {
  const lost: Messages = { publish: () => Promise.reject(new Error('lost')), subscribe: () => () => undefined };
  const alone = await cluster.startProcess({ messages: lost, maxStaleMs: 200 });
  expect(await alone.orgSettings.settings.find(name)).toBeUndefined();
  expect((await alone.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 })).status).toBe(201);
  await here.call('PUT', path, { staleness_period_s: 2 });
  const poll = async () => (await alone.orgSettings.settings.find(name))?.stalenessPeriodS === 2;
  await until('the poll finds it', poll);

  const asked = here.queries.length;
  await here.call('PUT', path, { staleness_period_s: 3 });
  const writing = here.queries.length - asked;
  await sleep(100);
  expect(here.queries.length - asked).toBe(writing);
});

test('a process that has been closed does not ask any more', async () => {
  await here.orgSettings.settings.find(name);
  await there.orgSettings.settings.find(name);
  await there.orgSettings.close();
  const asked = there.queries.length;
  await here.call('POST', path, { upstream_registry: 'docker.io', staleness_period_s: 1 });
  await sleep(100);
  expect(there.queries.length).toBe(asked);
});
