import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const FORMAT = '1.';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = 'breakwater/registry-host/shared-state/v1';

/** Encrypts what leaves the process for a while. */
export interface SealedText {
  /** Differs between secret keys and tells nothing about them: registries with other keys keep out of each other's way. */
  readonly keyId: string;
  /** @param name where the text will stand; it can be opened only there */
  seal(name: string, text: string): string;
  /** `undefined` for whatever was not sealed with this key under this name. */
  open(name: string, sealed: string): string | undefined;
}

/** AES-256-GCM with a random nonce, under a key derived from the registry's secret key for this purpose only. */
export function createSealedText(secretKey: Uint8Array): SealedText {
  const key = derive(secretKey, `${PURPOSE}/key`, 32);
  const additional = (name: string) => Buffer.from(`${PURPOSE}\0${name}`, 'utf8');
  return {
    keyId: derive(secretKey, `${PURPOSE}/key-id`, 8).toString('hex'),
    seal(name, text) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(additional(name));
      const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
      return `${FORMAT}${Buffer.concat(parts).toString('base64url')}`;
    },
    open(name, sealed) {
      if (!sealed.startsWith(FORMAT)) return undefined;
      const bytes = Buffer.from(sealed.slice(FORMAT.length), 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(additional(name));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
        return text + decipher.final('utf8');
      } catch {
        return undefined;
      }
    },
  };
}

function derive(secretKey: Uint8Array, info: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, new Uint8Array(0), info, length));
}
