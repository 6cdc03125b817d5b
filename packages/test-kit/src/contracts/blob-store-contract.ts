import { randomUUID } from 'node:crypto';
import { access, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BlobStore, type Digest, digestOf, type OpenBlob } from '@breakwater/registry-core';
import { jestGlobals } from './jest-globals.js';
import { SAMPLE } from './repositories.js';

/** Writes and flushes a file that a BlobStore may take over. */
export async function writeBlobFile(directory: string, bytes: Uint8Array): Promise<string> {
  const file = join(directory, `blob-${randomUUID()}`);
  const handle = await open(file, 'wx');
  await handle.writeFile(bytes);
  await handle.sync();
  await handle.close();
  return file;
}

/** Reads a whole blob and closes it; `undefined` for a miss. */
export async function readBlob(blob: OpenBlob | undefined, step = 1_000): Promise<Buffer | undefined> {
  if (blob === undefined) return undefined;
  const parts: Buffer[] = [];
  try {
    for (let position = 0; ; ) {
      const buffer = Buffer.alloc(step);
      const bytes = await blob.read(buffer, position);
      if (bytes === 0) return Buffer.concat(parts);
      parts.push(buffer.subarray(0, bytes));
      position += bytes;
    }
  } finally {
    await blob.close();
  }
}

/** What every BlobStore must do. `make` gives an empty one for each test. */
export function describeBlobStore(
  name: string,
  make: () => Promise<{ readonly blobs: BlobStore; close?(): Promise<void> }>,
): void {
  const { afterEach, beforeEach, describe, expect, test } = jestGlobals();
  const { repository, others } = SAMPLE;

  describe(`BlobStore contract: ${name}`, () => {
    let made: Awaited<ReturnType<typeof make>>;
    let directory: string;
    beforeEach(async () => {
      made = await make();
      directory = await mkdtemp(join(tmpdir(), 'blob-contract-'));
    });
    afterEach(async () => {
      await rm(directory, { recursive: true });
      await made.close?.();
    });

    async function add(to: typeof repository, bytes: Buffer, digest: Digest = digestOf(bytes)) {
      await made.blobs.import(to, digest, await writeBlobFile(directory, bytes));
      return digest;
    }

    test('a blob that was never imported is a miss', async () => {
      expect(await made.blobs.open(repository, digestOf(Buffer.from('never')))).toBeUndefined();
    });

    test('gives back what was imported, whole and from any position', async () => {
      const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, index) => index % 251));
      const digest = await add(repository, bytes);
      expect(await readBlob(await made.blobs.open(repository, digest))).toEqual(bytes);

      const blob = await made.blobs.open(repository, digest);
      expect(blob?.size).toBe(5_000);
      const buffer = Buffer.alloc(100);
      expect(await blob?.read(buffer, 4_950)).toBe(50);
      expect(buffer.subarray(0, 50)).toEqual(bytes.subarray(4_950));
      expect(await blob?.read(buffer, 5_000)).toBe(0);
      await blob?.close();
    });

    test('takes an empty blob, and one with a sha512 digest', async () => {
      const empty = await add(repository, Buffer.alloc(0));
      expect(await readBlob(await made.blobs.open(repository, empty))).toEqual(Buffer.alloc(0));
      const bytes = Buffer.from('sha512');
      const digest = await add(repository, bytes, digestOf(bytes, 'sha512'));
      expect(await readBlob(await made.blobs.open(repository, digest))).toEqual(bytes);
    });

    test('the imported file is gone from its path, and a descriptor open on it stays readable', async () => {
      const bytes = Buffer.from('followed by a reader');
      const file = await writeBlobFile(directory, bytes);
      const reader = await open(file, 'r');
      await made.blobs.import(repository, digestOf(bytes), file);
      await expect(access(file)).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await reader.readFile()).toEqual(bytes);
      await reader.close();
      // The same once more for a digest that is there already.
      const again = await writeBlobFile(directory, bytes);
      await made.blobs.import(repository, digestOf(bytes), again);
      await expect(access(again)).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('is readable only in the repositories that it was imported into (I6)', async () => {
      const bytes = Buffer.from('private');
      const digest = await add(repository, bytes);
      for (const other of others) expect(await made.blobs.open(other, digest)).toBeUndefined();
      for (const other of others) await add(other, bytes);
      for (const other of others) expect(await readBlob(await made.blobs.open(other, digest))).toEqual(bytes);
    });

    test('many imports of one digest at once all succeed', async () => {
      const bytes = Buffer.alloc(4_096, 'once');
      const digest = digestOf(bytes);
      await Promise.all([repository, repository, ...others, ...others].map((each) => add(each, bytes)));
      for (const each of [repository, ...others]) {
        expect(await readBlob(await made.blobs.open(each, digest))).toEqual(bytes);
      }
    });

    test('readers do not disturb each other', async () => {
      const bytes = Buffer.from('shared by readers');
      const digest = await add(repository, bytes);
      const first = await made.blobs.open(repository, digest);
      const second = await made.blobs.open(repository, digest);
      await first?.close();
      expect(await readBlob(second)).toEqual(bytes);
    });
  });
}
