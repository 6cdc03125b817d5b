import type { IncomingMessage } from 'node:http';

/** The body of a request; 'too large' as soon as it is more than `limit` bytes, 'broken off' when its client went away. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | 'too large' | 'broken off'> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (Number(request.headers['content-length'] ?? 0) > limit) return 'too large';
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > limit) return 'too large';
      chunks.push(chunk);
    }
  } catch {
    return 'broken off';
  }
  return Buffer.concat(chunks, bytes);
}
