import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createSecretBox } from './secret-box.js';

const CREDENTIALS = { username: 'bot', password: 'päss "word"' };
const key = randomBytes(32);
const box = createSecretBox(key);

describe('sealed credentials', () => {
  test('open with the key and the organization they were sealed for', () => {
    expect(createSecretBox(key).open('acme', box.seal('acme', CREDENTIALS))).toEqual(CREDENTIALS);
  });

  test('hold neither name nor password, and differ each time', () => {
    const sealed = Buffer.from(box.seal('acme', CREDENTIALS));
    expect(sealed.includes('bot')).toBe(false);
    expect(sealed.includes('word')).toBe(false);
    expect(sealed.equals(Buffer.from(box.seal('acme', CREDENTIALS)))).toBe(false);
  });

  test('do not open for another organization', () => {
    expect(() => box.open('other', box.seal('acme', CREDENTIALS))).toThrow(
      expect.objectContaining({ code: 'SECRET_CORRUPT' }),
    );
  });

  test('do not open with another key, and that is told apart from damage', () => {
    const other = createSecretBox(randomBytes(32));
    expect(() => other.open('acme', box.seal('acme', CREDENTIALS))).toThrow(
      expect.objectContaining({ code: 'SECRET_KEY_MISMATCH' }),
    );
  });

  test('do not open when any byte was changed', () => {
    const sealed = Buffer.from(box.seal('acme', CREDENTIALS));
    for (let at = 0; at < sealed.length; at += 1) {
      const damaged = Buffer.from(sealed);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(() => box.open('acme', damaged)).toThrow(expect.objectContaining({ name: 'SecretError' }));
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => box.open('acme', sealed.subarray(0, length))).toThrow(
        expect.objectContaining({ name: 'SecretError' }),
      );
    }
  });
});
