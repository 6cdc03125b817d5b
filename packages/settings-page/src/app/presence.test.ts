import { expect, test } from '@jest/globals';
import { watchPresence } from './presence.js';

test('requests of a page that nobody has touched for a minute are said to be its own', () => {
  let now = 1_000;
  const page = new EventTarget();
  const presence = watchPresence(page, () => now);
  expect(presence.headers()).toEqual({});
  now += 60_000;
  expect(presence.headers()).toEqual({ 'x-background-refresh': '1' });
  page.dispatchEvent(new Event('keydown'));
  expect(presence.headers()).toEqual({});
});
