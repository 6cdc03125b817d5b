import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '@breakwater/registry-core';
import { repositoryOf } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Spool } from './spool.js';
import { nodeSpoolDisk, type SpoolDisk } from './spool-disk.js';
import type { SpoolFile } from './spool-file.js';

const repository = repositoryOf('acme/app', 'docker.io');
const digest = `sha256:${'a'.repeat(64)}` as Digest;
const BYTES = 1_000;

let directory: string;
const open: SpoolFile[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'breakwater-spool-'));
});
afterEach(async () => {
  for (const file of open.splice(0)) await file.close();
  await rm(directory, { recursive: true, force: true });
});

/** As any user but root meets it: a file that may only be read is not opened to be written to. */
const ofAnyUser: SpoolDisk = {
  ...nodeSpoolDisk,
  async open(path, flags, mode) {
    if (flags === 'r+' && ((await stat(path)).mode & 0o200) === 0) {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    }
    return nodeSpoolDisk.open(path, flags, mode);
  },
};

async function begin(spool: Spool, holder: string): Promise<SpoolFile> {
  const file = await spool.begin(repository, digest, holder);
  open.push(file);
  return file;
}

/** What a holder leaves that verified the whole and was killed before it was stored. */
async function verified(spool: Spool): Promise<SpoolFile> {
  const file = await begin(spool, 'first');
  await file.write([Buffer.alloc(BYTES, 'x')], 0);
  await file.markVerified();
  return file;
}

test.each(['vanished', 'ended in order'])('a verified file of a holder that %s is gone on with', async (how) => {
  const spool = new Spool(directory, ofAnyUser);
  const left = await verified(spool);
  if (how === 'ended in order') await spool.leave(repository, digest, left);
  const file = await begin(spool, 'second');
  expect(await file.facts()).toEqual({ bytes: BYTES, verified: false });
  await file.write([Buffer.from('more')], BYTES);
  expect((await readdir(directory)).length).toBe(1);
});

test('nobody sees a copy that is being made, which looks verified and is short', async () => {
  const seen: unknown[] = [];
  const spool = new Spool(directory, {
    ...nodeSpoolDisk,
    async copyFile(from, to, mode) {
      await nodeSpoolDisk.copyFile(from, to, mode);
      seen.push(await spool.follow(repository, digest, 'second'));
    },
    async rename(from, to) {
      const { mode } = await stat(from);
      await nodeSpoolDisk.rename(from, to);
      seen.push((mode & 0o200) !== 0);
    },
  });
  await verified(spool);
  await begin(spool, 'second');
  expect(seen).toEqual([undefined, true]);
});

test('a copy that was never finished is dropped after its time, unless its holder is there', async () => {
  const spool = new Spool(directory, {
    ...nodeSpoolDisk,
    chmod: () => Promise.reject(new Error('killed')),
    rm: async () => undefined,
  });
  await verified(spool);
  await expect(spool.begin(repository, digest, 'second')).rejects.toThrow('killed');
  const clock = { now: () => Date.now() };
  const later = Date.now() + 60_000;
  expect(await new Spool(directory).dropStale(later, clock, new Set(['first', 'second']), false)).toMatchObject({
    files: 0,
  });
  expect(await new Spool(directory).dropStale(later, clock, new Set(), false)).toMatchObject({ files: 2 });
  expect(await readdir(directory)).toEqual([]);
});
