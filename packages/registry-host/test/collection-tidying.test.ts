import { copyFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  buildImage,
  movableClock,
  pullImage,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

// What a run of garbage collection does about uploads that were given up and about a store that does not match its
// database: the dry run counts it and leaves it alone, the run does it.

async function blobPaths({ state }: TestRegistry): Promise<readonly string[]> {
  const root = join(state.directory, 'storage', 'blobs');
  const names = await readdir(root, { recursive: true, withFileTypes: true });
  return names.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
}

async function stored(breakwater: TestRegistry, count: number): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if ((await breakwater.state.database.knex('content_link').where({ kind: 'blob' })).length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the blobs were not stored');
}

test('uploads that were given up are dropped, and store and database are reconciled', async () => {
  const clock = movableClock(Date.now());
  await using upstream = await startFaultUpstream();
  await using breakwater = await startTestRegistry({ clock });
  const collect = async (query = '') => {
    const { body } = await breakwater.api('POST', `/api/v1/gc/run${query}`);
    const { outcome, steps } = body as { outcome: string; steps: { name: string }[] };
    expect(outcome).toBe('done');
    return (name: string) => steps.find((step) => step.name === name);
  };

  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, expiration_s: 0 });
  upstream.add('team/app', 'v1', buildImage({ seed: 1, layers: [1_000, 2_000] }));
  expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
  await stored(breakwater, 3);

  const hosted = await breakwater.hostedOrganization();
  const headers = { authorization: breakwater.authorization, 'content-type': 'application/octet-stream' };
  const begun = await fetch(`${breakwater.url}/v2/${hosted}/app/blobs/uploads/`, { method: 'POST', headers });
  const location = new URL(begun.headers.get('location') ?? '', breakwater.url);
  expect((await fetch(location, { method: 'PATCH', headers, body: 'given up' })).status).toBe(202);

  clock.advance({ hours: 23 });
  const early = await collect();
  expect(early('drop_stale_files')).toMatchObject({ sorts: { uploads: { files: 0, bytes: 0 } } });
  expect(early('reconcile')).toMatchObject({ due: true, strays: 0, missing: 0 });

  const [lost = '', kept = ''] = await blobPaths(breakwater);
  const stray = join(dirname(kept), 'f'.repeat(32));
  await copyFile(kept, stray);
  await rm(lost);
  // Older than a day by the registry's clock: the file is dated by the machine's.
  clock.advance({ hours: 2 });
  const found = { due: true, strays: 1, missing: 1, braked: false };
  for (let time = 0; time < 2; time += 1) {
    const planned = await collect('?dry_run=true');
    expect(planned('drop_stale_files')).toMatchObject({ sorts: { uploads: { files: 1, bytes: 8 } } });
    expect(planned('reconcile')).toMatchObject(found);
  }
  expect(await blobPaths(breakwater)).toContain(stray);
  expect(await breakwater.state.database.knex('blob_upload')).toHaveLength(1);

  const run = await collect();
  expect(run('drop_stale_files')).toMatchObject({ files: 1, bytes: 8, sorts: { uploads: { files: 1, bytes: 8 } } });
  expect(run('reconcile')).toMatchObject(found);
  expect(await blobPaths(breakwater)).not.toContain(stray);
  expect(await breakwater.state.database.knex('blob_upload')).toHaveLength(0);
  expect(await readdir(join(breakwater.state.directory, 'storage', 'uploads'))).toEqual([]);

  expect((await collect())('reconcile')).toMatchObject({ due: false });
  // What was lost is fetched again.
  expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
});
