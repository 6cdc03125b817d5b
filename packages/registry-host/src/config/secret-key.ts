/** A key, and how its text was read. */
export interface SecretKey {
  readonly bytes: Uint8Array;
  readonly readAs: 'hex' | 'base64' | 'text';
}

const LEAST_BYTES = 32;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads a key: hex or base64 of at least 32 bytes, in this order, else a text of at least 32 characters, whose UTF-8
 * bytes it then is. `undefined` when it is too short for all of them.
 */
export function parseSecretKey(text: string): SecretKey | undefined {
  if (/^(?:[a-fA-F0-9]{2})+$/.test(text) && text.length >= 2 * LEAST_BYTES) {
    return { bytes: Buffer.from(text, 'hex'), readAs: 'hex' };
  }
  if (BASE64.test(text)) {
    const bytes = Buffer.from(text, 'base64');
    if (bytes.byteLength >= LEAST_BYTES) return { bytes, readAs: 'base64' };
  }
  return [...text].length >= LEAST_BYTES ? { bytes: Buffer.from(text, 'utf8'), readAs: 'text' } : undefined;
}
