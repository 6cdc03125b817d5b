import { expect, test } from '@jest/globals';
import { createSealedText } from './sealed-text.js';

const key = new Uint8Array(32).fill(7);
const other = new Uint8Array(32).fill(8);

test('opens what it sealed, under the same name and key only', () => {
  const sealed = createSealedText(key).seal('name', 'töken 😀');
  expect(createSealedText(key).open('name', sealed)).toBe('töken 😀');
  expect(createSealedText(key).open('name2', sealed)).toBeUndefined();
  expect(createSealedText(other).open('name', sealed)).toBeUndefined();
});

test('shows nothing of the text, and never the same twice', () => {
  const box = createSealedText(key);
  const [first, second] = [box.seal('name', 'a secret token'), box.seal('name', 'a secret token')];
  expect(first).not.toBe(second);
  for (const sealed of [first, second]) {
    expect(Buffer.from(sealed.slice(2), 'base64url').toString('latin1')).not.toMatch(/secret|token|name/);
  }
});

test('whatever else there is gives nothing, and no error', () => {
  const box = createSealedText(key);
  const sealed = box.seal('name', 'text');
  const bent = `${sealed.slice(0, -3)}${sealed.at(-3) === 'A' ? 'B' : 'A'}${sealed.slice(-2)}`;
  for (const garbage of [
    '',
    '1.',
    '1',
    '{}',
    '"text"',
    sealed.slice(2),
    sealed.slice(0, -4),
    bent,
    `1.${'A'.repeat(38)}`,
  ]) {
    expect(box.open('name', garbage)).toBeUndefined();
  }
});

test('the id of a key tells keys apart', () => {
  expect(createSealedText(key).keyId).toBe(createSealedText(new Uint8Array(key)).keyId);
  expect(createSealedText(key).keyId).not.toBe(createSealedText(other).keyId);
});
