import { lookup } from 'node:dns/promises';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { testWith } from '../needs.js';
import { hostsEntry, hostsFileAccess } from './hosts-entry.js';

describe('hostsEntry', () => {
  const before = '127.0.0.1 localhost\n192.0.2.1 other\n';
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'breakwater-hosts-'));
    file = join(directory, 'hosts');
    await writeFile(file, before);
  });

  afterEach(() => rm(directory, { recursive: true }));

  test('adds its line and takes that one away, whatever others did in between', async () => {
    const first = await hostsEntry('one.test', '127.0.0.1', file);
    const second = await hostsEntry('two.test', '127.0.0.2', file);
    expect(await readFile(file, 'utf8')).toContain('\n127.0.0.1 one.test # breakwater test');
    await first.remove();
    await first.remove();
    const left = await readFile(file, 'utf8');
    expect([left.includes('one.test'), left.includes('127.0.0.2 two.test')]).toEqual([false, true]);
    await first.restore();
    await first.restore();
    expect((await readFile(file, 'utf8')).match(/one\.test/g)).toHaveLength(1);
    await first.remove();
    await second.remove();
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  test('many at once lose nothing', async () => {
    const entries = await Promise.all(
      Array.from({ length: 10 }, (_, n) => hostsEntry(`n${n}.test`, '127.0.0.1', file)),
    );
    expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(13);
    await Promise.all(entries.map((entry) => entry.remove()));
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  test('the lines of a dead process go with the next change', async () => {
    await writeFile(file, `${before}127.0.0.1 old.test # breakwater test 2147483647\n`);
    const entry = await hostsEntry('one.test', '127.0.0.1', file);
    expect(await readFile(file, 'utf8')).not.toContain('old.test');
    await entry.remove();
  });

  testWith(hostsFileAccess())('the system knows the name, and does no more', async () => {
    const name = 'known-for-a-moment.test';
    {
      await using entry = await hostsEntry(name, '127.0.0.9');
      expect((await lookup(entry.name)).address).toBe('127.0.0.9');
    }
    await expect(lookup(name)).rejects.toHaveProperty('code', expect.stringMatching(/ENOTFOUND|EAI_AGAIN/));
  });
});
