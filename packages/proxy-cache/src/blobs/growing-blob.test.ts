import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenBlob } from '@breakwater/registry-core';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { GrowingBlob } from './growing-blob.js';
import { nodeSpoolDisk } from './spool-disk.js';
import { SpoolFile } from './spool-file.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'breakwater-growing-'));
});

afterEach(() => rm(directory, { recursive: true }));

async function readAll(blob: OpenBlob, step: number, onBytes: (bytes: number) => void): Promise<Buffer> {
  const parts: Buffer[] = [];
  const buffer = Buffer.alloc(step);
  for (let position = 0; position < blob.size; ) {
    const bytes = await blob.read(buffer, position);
    if (bytes === 0) break;
    parts.push(Buffer.from(buffer.subarray(0, bytes)));
    position += bytes;
    onBytes(position);
  }
  return Buffer.concat(parts);
}

test('I1: readers have every byte once and in order, from memory or from the file, and the last one after it is verified', async () => {
  let number = 0;
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
  const writes = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
  const kept = fc.integer({ min: 0, max: 100 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      writes,
      fc.integer({ min: 1, max: 64 }),
      kept,
      async (chunks, isWritten, step, keptBytes) => {
        number += 1;
        const content = Buffer.from(Array.from({ length: chunks.reduce((a, b) => a + b) }, (_, at) => at % 251));
        const file = await SpoolFile.toWrite(nodeSpoolDisk, join(directory, String(number)));
        const blob = new GrowingBlob(keptBytes);
        await blob.attach(file, 0);
        blob.announce(content.byteLength);
        let reached = 0;
        const readers = [step, 7, 1_000].map(async (bytes) => {
          const open = await blob.reader();
          if (open === undefined) throw new Error('it is over already');
          const all = await readAll(open, bytes, (position) => {
            reached = Math.max(reached, position);
          });
          await open.close();
          return all;
        });
        let at = 0;
        let inFile = 0;
        for (const [index, size] of chunks.entries()) {
          blob.hold(content.subarray(at, at + size));
          at += size;
          if (isWritten[index]) {
            await file.write([content.subarray(inFile, at)], inFile);
            inFile = at;
            blob.grow(inFile);
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (inFile < at) await file.write([content.subarray(inFile, at)], inFile);
        await new Promise((resolve) => setTimeout(resolve, 1));
        expect(reached).toBeLessThan(content.byteLength);
        blob.complete(content.byteLength);
        for (const all of await Promise.all(readers)) expect(all.equals(content)).toBe(true);
        await blob.release();
      },
    ),
    { numRuns: 60 },
  );
});

test('after a failure readers have what there is, and then the failure', async () => {
  const file = await SpoolFile.toWrite(nodeSpoolDisk, join(directory, 'failing'));
  const blob = new GrowingBlob();
  await blob.attach(file, 0);
  blob.announce(100);
  const reader = await blob.reader();
  blob.hold(Buffer.alloc(10, 'x'));
  blob.fail(new Error('broken off'));
  const buffer = Buffer.alloc(20);
  expect(await reader?.read(buffer, 0)).toBe(10);
  await expect(reader?.read(buffer, 10)).rejects.toThrow('broken off');
  await reader?.close();
  await blob.release();
  await file.close();
});

test('what is in the file a moment ago is read from memory, and what is longer there from the file', async () => {
  const file = await SpoolFile.toWrite(nodeSpoolDisk, join(directory, 'kept'));
  const blob = new GrowingBlob(10);
  await blob.attach(file, 0);
  blob.announce(100);
  const reader = await blob.reader();
  await file.write([Buffer.alloc(30, 'f')], 0);
  for (let at = 0; at < 30; at += 10) blob.hold(Buffer.alloc(10, 'm'));
  blob.grow(30);
  const read = async (position: number) => {
    const buffer = Buffer.alloc(30);
    return buffer.toString('utf8', 0, await reader?.read(buffer, position));
  };
  expect([await read(0), await read(20)]).toEqual(['f'.repeat(30), 'm'.repeat(10)]);
  await reader?.close();
  await blob.release();
});
