import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Digest } from '@breakwater/registry-core';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { GrowingBlob } from './growing-blob.js';
import { nodeSpoolDisk } from './spool-disk.js';
import { SpoolFile } from './spool-file.js';
import { Transfer } from './transfer.js';

// The minimum rate of P2. What a transfer makes of upstreams that break is in test/resumed-downloads.test.ts.

const CHUNK = 512;
const CHUNKS = 200;
const content = randomBytes(CHUNK * CHUNKS);
const digest = `sha256:${createHash('sha256').update(content).digest('hex')}` as Digest;

let directory: string;
let file: SpoolFile;
let now: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'breakwater-transfer-'));
  file = await SpoolFile.toWrite(nodeSpoolDisk, join(directory, 'blob'));
  now = 0;
});
afterEach(async () => {
  await file.close();
  await rm(directory, { recursive: true, force: true });
});

/** Takes so long for every chunk itself. */
class SlowBlob extends GrowingBlob {
  constructor(private readonly ms: number) {
    super();
  }

  override hold(bytes: Buffer): void {
    now += this.ms;
    super.hold(bytes);
  }
}

/** A transfer of a body whose chunks come so long after the one before, in milliseconds. */
function transferOf(upstreamMs: number, ourMs: number) {
  const asked: number[] = [];
  const transfer = new Transfer({
    digest,
    file,
    blob: new SlowBlob(ourMs),
    idleMs: 600_000,
    signal: new AbortController().signal,
    onSize: () => undefined,
    now: () => now,
    async ask(from) {
      asked.push(from);
      async function* body() {
        for (let at = from; at < content.byteLength; at += CHUNK) {
          now += upstreamMs;
          yield content.subarray(at, at + CHUNK);
        }
      }
      const stream = Readable.from(body(), { highWaterMark: 0, objectMode: true });
      return { body: stream, size: content.byteLength, from, origin: 'http://upstream', etag: undefined };
    },
  });
  return { transfer, asked };
}

test('1 KiB/s over a minute is put up with', async () => {
  await expect(transferOf(500, 0).transfer.run()).resolves.toBeUndefined();
});

test('less is hopeless: it is given up, and not gone on with', async () => {
  const { transfer, asked } = transferOf(520, 0);
  await expect(transfer.run()).rejects.toMatchObject({ failureClass: 'timeout' });
  expect(asked).toEqual([0]);
  expect(transfer.reached).toBeGreaterThan(0);
});

test('time that we take ourselves is not held against the upstream', async () => {
  const { transfer, asked } = transferOf(1, 61_000);
  await transfer.run();
  expect(asked).toEqual([0]);
  expect((await readFile(file.path)).equals(content)).toBe(true);
});
