import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { UpstreamCredentials } from '@breakwater/registry-core';

/** Length of a secret key in bytes. */
export const SECRET_KEY_BYTES = 32;

const FORMAT = 1;
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;
const PURPOSE = 'breakwater/org-settings/upstream-credentials/v1';

/** Why stored credentials could not be read. */
type SecretErrorCode = 'SECRET_KEY_MISMATCH' | 'SECRET_CORRUPT';

/** Stored credentials could not be read. Tell it by `code`; the message holds no secret. */
class SecretError extends Error {
  constructor(
    readonly code: SecretErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'SecretError';
  }
}

/** Seals credentials for one organization. */
export interface SecretBox {
  seal(organization: string, credentials: UpstreamCredentials): Uint8Array;
  /** @throws SecretError SECRET_KEY_MISMATCH when they were sealed with another key, SECRET_CORRUPT otherwise */
  open(organization: string, sealed: Uint8Array): UpstreamCredentials;
}

/**
 * AES-256-GCM: format byte, key id, random nonce, ciphertext, tag. The header, the purpose and the organization are
 * authenticated, so that an envelope copied to another row cannot be opened there. The key proper is derived from the
 * operator's one for this purpose only, and the key id tells a wrong key from damaged data.
 */
export function createSecretBox(secretKey: Uint8Array): SecretBox {
  const key = derive(secretKey, `${PURPOSE}/key`, 32);
  const keyId = derive(secretKey, `${PURPOSE}/key-id`, KEY_ID_BYTES);

  return {
    seal(organization, { username, password }) {
      const header = Buffer.concat([Uint8Array.of(FORMAT), keyId, randomBytes(NONCE_BYTES)]);
      const cipher = createCipheriv('aes-256-gcm', key, header.subarray(1 + KEY_ID_BYTES));
      cipher.setAAD(additionalData(organization, header));
      const plain = JSON.stringify({ username, password });
      return Buffer.concat([header, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    },
    open(organization, sealed) {
      const bytes = Buffer.from(sealed);
      if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes[0] !== FORMAT) throw corrupt();
      const header = bytes.subarray(0, HEADER_BYTES);
      if (!header.subarray(1, 1 + KEY_ID_BYTES).equals(keyId)) {
        throw new SecretError('SECRET_KEY_MISMATCH', 'the credentials were encrypted with another secret key');
      }
      const decipher = createDecipheriv('aes-256-gcm', key, header.subarray(1 + KEY_ID_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(additionalData(organization, header));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const plain = Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES, -TAG_BYTES)), decipher.final()]);
        const { username, password } = JSON.parse(plain.toString('utf8'));
        return { username: String(username), password: String(password) };
      } catch {
        throw corrupt();
      }
    },
  };
}

function derive(secretKey: Uint8Array, info: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, new Uint8Array(0), info, length));
}

function additionalData(organization: string, header: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${PURPOSE}\0${organization}\0`, 'utf8'), header]);
}

function corrupt(): SecretError {
  return new SecretError('SECRET_CORRUPT', 'the stored credentials are damaged or belong to another organization');
}
