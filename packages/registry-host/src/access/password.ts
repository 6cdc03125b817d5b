import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** Cost of new hashes: 32 MiB of memory, some 60 to 100 ms. `log2N` is stored, so that it can grow. */
const LOG2_N = 15;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Bounds for what is read back: a hash from elsewhere must not take the machine's memory. */
const MAX_LOG2_N = 18;

interface ScryptHash {
  readonly log2N: number;
  readonly blockSize: number;
  readonly parallel: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Hashes a password with scrypt and a random salt. The text holds all that `verifyPassword` needs, and no secret. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const parameters = { log2N: LOG2_N, blockSize: BLOCK_SIZE, parallel: PARALLEL, salt };
  return format({ ...parameters, hash: await derive(password, { ...parameters, length: HASH_BYTES }) });
}

/** True when it is the password behind the hash. The time it takes does not tell how much of it was right. */
export async function verifyPassword(password: string, passwordHash: string): Promise<boolean> {
  const expected = parse(passwordHash);
  if (expected === undefined) throw new TypeError('a stored password hash is not readable');
  const actual = await derive(password, { ...expected, length: expected.hash.byteLength });
  return timingSafeEqual(actual, expected.hash);
}

/** A hash of today's cost that no password has. */
export function unknownPasswordHash(): string {
  return format({
    log2N: LOG2_N,
    blockSize: BLOCK_SIZE,
    parallel: PARALLEL,
    salt: randomBytes(SALT_BYTES),
    hash: randomBytes(HASH_BYTES),
  });
}

function format({ log2N, blockSize, parallel, salt, hash }: ScryptHash): string {
  return `$scrypt$ln=${log2N},r=${blockSize},p=${parallel}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

function parse(text: string): ScryptHash | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/.exec(text);
  if (match === null) return undefined;
  const [, log2N, blockSize, parallel, salt = '', hash = ''] = match;
  const parsed = {
    log2N: Number(log2N),
    blockSize: Number(blockSize),
    parallel: Number(parallel),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
  const sane = parsed.log2N >= 1 && parsed.log2N <= MAX_LOG2_N && parsed.hash.byteLength >= 16;
  return sane && parsed.blockSize >= 1 && parsed.parallel >= 1 ? parsed : undefined;
}

function derive(
  password: string,
  { log2N, blockSize, parallel, salt, length }: Omit<ScryptHash, 'hash'> & { readonly length: number },
): Promise<Buffer> {
  const N = 2 ** log2N;
  // Node's own limit is 32 MiB, just below what these parameters need.
  const options = { N, r: blockSize, p: parallel, maxmem: 128 * N * blockSize + 128 * blockSize * parallel + 2 ** 20 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
