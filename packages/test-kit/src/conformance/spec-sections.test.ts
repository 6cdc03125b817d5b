import { expect, test } from '@jest/globals';
import { ALL_CHECKS } from './checks/all-checks.js';
import { SPEC_SECTIONS } from './spec-sections.js';

const sentences = SPEC_SECTIONS.flatMap(({ sentences }) => sentences);
const ids = ALL_CHECKS.map(({ id }) => id);

test('every sentence of the spec about registries has a check, or a reason why it has none', () => {
  const neither = sentences.filter(({ checks = [], unchecked }) => checks.length === 0 && unchecked === undefined);
  expect(neither).toEqual([]);
  expect(sentences.length).toBeGreaterThan(130);
});

test('every check is of a sentence, and every one that is named is there, once', () => {
  const named = new Set(sentences.flatMap(({ checks = [] }) => checks));
  expect([...named].filter((id) => !ids.includes(id))).toEqual([]);
  // "Determining Support" has no such word.
  expect(ids.filter((id) => !named.has(id))).toEqual(['api.support']);
  expect(new Set(ids).size).toBe(ids.length);
});

test('what is said to be for clients says something of clients, or nothing of an answer', () => {
  const wrong = sentences.filter(
    ({ says, unchecked }) => unchecked === 'for clients' && /\b(?:registry|registries) MUST\b/i.test(says),
  );
  expect(wrong).toEqual([]);
});
