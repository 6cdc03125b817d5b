import { createCipheriv, createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

const BLOCK = 512;

/** `size` bytes that look random, do not compress, and are the same for the same seed. */
export function seededBytes(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  // A counter-mode cipher over zeroes is the fastest generator in the standard library that takes a seed.
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(size));
}

/** A ustar archive of one file, with the same bytes for the same arguments. */
export function tarOf(fileName: string, content: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(fileName, 0, 100, 'utf8');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.byteLength.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((BLOCK - (content.byteLength % BLOCK)) % BLOCK);
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * BLOCK)]);
}

/** gzip without compression: fast for large layers, and the same bytes on every version of zlib. */
export function gzipStored(bytes: Buffer): Buffer {
  const zipped = gzipSync(bytes, { level: 0 });
  // The ninth byte names the operating system, which differs between builds of zlib; 255 is "unknown".
  zipped[9] = 255;
  return zipped;
}
