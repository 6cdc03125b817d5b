import { createHash } from 'node:crypto';
import { finished } from 'node:stream/promises';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Digest,
  DigestVerifier,
  digestAlgorithm,
  digestHex,
  digestOf,
  parseDigest,
  verifyingStream,
} from './digest.js';

const EMPTY_SHA256 = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const algorithm = fc.constantFrom('sha256' as const, 'sha512' as const);

describe('a digest', () => {
  test('is what its algorithm says of the bytes', () => {
    expect(digestOf(new Uint8Array())).toBe(EMPTY_SHA256);
    fc.assert(
      fc.property(fc.uint8Array(), algorithm, (bytes, name) => {
        const digest = digestOf(bytes, name);
        expect(digest).toBe(`${name}:${createHash(name).update(bytes).digest('hex')}`);
        expect(parseDigest(digest)).toBe(digest);
        expect(`${digestAlgorithm(digest)}:${digestHex(digest)}`).toBe(digest);
      }),
    );
  });

  test.each([
    ['nothing', ''],
    ['no algorithm', 'e'.repeat(64)],
    ['an algorithm that is not supported', `md5:${'0'.repeat(32)}`],
    ['an algorithm of another case', `SHA256:${'0'.repeat(64)}`],
    ['upper-case digits', `sha256:${'A'.repeat(64)}`],
    ['too few digits', `sha256:${'0'.repeat(63)}`],
    ['too many digits', `sha256:${'0'.repeat(65)}`],
    ['as many digits as another algorithm has', `sha512:${'0'.repeat(64)}`],
    ['a line feed at its end', `${EMPTY_SHA256}\n`],
    ['a space at its beginning', ` ${EMPTY_SHA256}`],
    ['a path', `sha256:../${'0'.repeat(61)}`],
  ])('is not read from text with %s', (_what, text) => {
    expect(parseDigest(text)).toBeUndefined();
  });
});

describe('a verifier', () => {
  test('accepts the content in any pieces, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), algorithm, fc.nat(), (pieces, name, flip) => {
        const bytes = Buffer.concat(pieces);
        const digest = digestOf(bytes, name);
        const right = new DigestVerifier(digest);
        for (const piece of pieces) right.update(piece);
        expect(right.bytes).toBe(bytes.byteLength);
        expect(right.verify(bytes.byteLength)).toBe(true);
        if (bytes.byteLength === 0) return;
        const wrong = new DigestVerifier(digest);
        bytes[flip % bytes.byteLength] = Number(bytes[flip % bytes.byteLength]) ^ 1;
        wrong.update(bytes);
        expect(wrong.verify()).toBe(false);
      }),
    );
  });

  test('tells the digest of what it has seen, and goes on', () => {
    const whole = Buffer.from('the whole');
    const verifier = new DigestVerifier(digestOf(whole));
    verifier.update(whole.subarray(0, 4));
    expect(verifier.digest).toBe(digestOf(whole.subarray(0, 4)));
    verifier.update(whole.subarray(4));
    expect([verifier.digest, verifier.verify()]).toEqual([digestOf(whole), true]);
  });

  test('refuses the right content under a wrong size', () => {
    const verifier = new DigestVerifier(EMPTY_SHA256 as Digest);
    expect(verifier.verify(1)).toBe(false);
  });
});

/** What a reader who takes every byte at once gets out of the stream, and how it ends. */
async function passThrough(
  pieces: readonly Uint8Array[],
  digest: Digest,
  size?: number,
): Promise<{ bytes: Buffer; error: unknown }> {
  const out: Buffer[] = [];
  const stream = verifyingStream(digest, size);
  stream.on('data', (chunk: Buffer) => out.push(chunk));
  const ended = finished(stream).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  for (const piece of pieces) {
    if (stream.destroyed) break;
    await new Promise<void>((resolve) => stream.write(Buffer.from(piece), () => setImmediate(resolve)));
  }
  stream.end();
  const error = await ended;
  return { bytes: Buffer.concat(out), error };
}

const MISMATCH = { code: 'DIGEST_MISMATCH' };

describe('a verifying stream', () => {
  test('hands on the right content, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 8 })),
        algorithm,
        fc.boolean(),
        async (pieces, name, sized) => {
          const whole = Buffer.concat(pieces);
          const result = await passThrough(pieces, digestOf(whole, name), sized ? whole.byteLength : undefined);
          expect(result).toEqual({ bytes: whole, error: undefined });
        },
      ),
    );
  });

  test('withholds the last byte of wrong content, and fails', async () => {
    const digest = digestOf(Buffer.from('something else'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 8 }), { minLength: 1 }), async (pieces) => {
        const whole = Buffer.concat(pieces);
        const result = await passThrough(pieces, digest);
        expect(result.error).toMatchObject(MISMATCH);
        expect(result.bytes.byteLength).toBeLessThan(whole.byteLength);
        expect(whole.subarray(0, result.bytes.byteLength)).toEqual(result.bytes);
      }),
    );
  });

  test('fails on no content at all', async () => {
    expect((await passThrough([], digestOf(Buffer.from('x')))).error).toMatchObject(MISMATCH);
  });

  test('fails on the right content of another size than was promised', async () => {
    const content = Buffer.from('content');
    for (const size of [0, content.byteLength - 1, content.byteLength + 1]) {
      const result = await passThrough([content], digestOf(content), size);
      expect(result.error).toMatchObject(MISMATCH);
      expect(result.bytes.byteLength).toBeLessThan(Math.max(size, 1));
    }
  });

  test('never lets as many wrong bytes through as were promised, however many come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 8 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 40 }),
        async (pieces, size) => {
          const result = await passThrough(pieces, digestOf(Buffer.from('something else')), size);
          expect(result.error).toMatchObject(MISMATCH);
          expect(result.bytes.byteLength).toBeLessThan(size);
        },
      ),
    );
  });

  test('waits for a slow reader instead of holding the content', () => {
    const stream = verifyingStream(digestOf(Buffer.alloc(1 << 20)));
    let written = 0;
    while (written < 1 << 20 && stream.write(Buffer.alloc(1 << 14))) written += 1 << 14;
    expect(written).toBeLessThan(1 << 18);
    stream.on('error', () => {}).destroy();
  });
});
