import { describeKeyValueStore, describeMessages, movableClock } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { InProcessKeyValueStore } from './in-process-key-value-store.js';
import { InProcessMessages } from './in-process-messages.js';

describeKeyValueStore('in process', async () => {
  const clock = movableClock();
  const store = new InProcessKeyValueStore(clock);
  return { store, elsewhere: store, clock };
});

describeMessages('in process', async () => {
  const messages = new InProcessMessages();
  return { one: messages, other: messages, settled: async () => undefined };
});

describe('the bounds of the store in process', () => {
  const HOUR_MS = 3_600_000;

  test('what was used longest ago goes when there are too many entries', async () => {
    const store = new InProcessKeyValueStore(movableClock(), { maxEntries: 2 });
    await store.set('a', '1', HOUR_MS);
    await store.set('b', '2', HOUR_MS);
    await store.get('a');
    await store.set('c', '3', HOUR_MS);
    expect([await store.get('a'), await store.get('b'), await store.get('c')]).toEqual(['1', undefined, '3']);
  });

  test('and when they are too long together, however often they are replaced', async () => {
    const store = new InProcessKeyValueStore(movableClock(), { maxLength: 30 });
    for (let times = 0; times < 10; times += 1) await store.set('a', 'x'.repeat(9), HOUR_MS);
    await store.set('b', 'x'.repeat(9), HOUR_MS);
    await store.set('c', 'x'.repeat(9), HOUR_MS);
    expect(await store.get('a')).toBe('x'.repeat(9));
    await store.set('d', 'x'.repeat(9), HOUR_MS);
    expect(await store.get('b')).toBeUndefined();
    expect(await store.get('a')).toBe('x'.repeat(9));
    await store.delete('a');
    await store.set('e', 'x'.repeat(9), HOUR_MS);
    expect([await store.get('c'), await store.get('d'), await store.get('e')]).not.toContain(undefined);
  });
});
