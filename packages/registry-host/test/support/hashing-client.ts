import { createHash } from 'node:crypto';
import { request } from 'node:http';

/** What came back, hashed and not kept. */
export interface HashedAnswer {
  readonly status: number;
  readonly bytes: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** True when the body ended before its announced end. */
  readonly cut: boolean;
}

export interface HashedGetOptions {
  readonly headers?: Readonly<Record<string, string>>;
}

/** A GET whose body is hashed as it comes, for bodies that are too large, or too many, to be held. */
export function hashedGet(url: string, { headers = {} }: HashedGetOptions = {}): Promise<HashedAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers: { ...headers }, agent: false }, (incoming) => {
      const hash = createHash('sha256');
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        bytes += chunk.byteLength;
      });
      incoming.on('error', () => undefined);
      incoming.once('close', () => {
        const status = incoming.statusCode ?? 0;
        const announced = Number(incoming.headers['content-length'] ?? bytes);
        resolve({ status, bytes, sha256: hash.digest('hex'), cut: !incoming.complete || bytes !== announced });
      });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
