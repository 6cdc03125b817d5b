import { type KeyValueStore, MAX_SHARED_KEY_LENGTH, MAX_SHARED_VALUE_LENGTH } from '@breakwater/registry-core';
import type { MovableClock } from '../clock/movable-clock.js';
import { jestGlobals } from './jest-globals.js';

/**
 * What every KeyValueStore must do. `make` gives an empty one for each test, together with another end of it (the same
 * one, where there is no other) and the clock that both measure lifetimes with.
 */
export function describeKeyValueStore(
  name: string,
  make: () => Promise<{
    readonly store: KeyValueStore;
    readonly elsewhere: KeyValueStore;
    readonly clock: MovableClock;
    close?(): Promise<void>;
  }>,
): void {
  const { afterEach, beforeEach, describe, expect, test } = jestGlobals();
  const HOUR_MS = 3_600_000;

  describe(`KeyValueStore contract: ${name}`, () => {
    let made: Awaited<ReturnType<typeof make>>;
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.close?.());

    test('gives what was set last, here and elsewhere', async () => {
      const { store, elsewhere } = made;
      expect(await store.get('a')).toBeUndefined();
      await store.set('a', 'one', HOUR_MS);
      expect(await elsewhere.get('a')).toBe('one');
      await elsewhere.set('a', 'two', HOUR_MS);
      expect(await store.get('a')).toBe('two');
    });

    test('keeps any text as it is, and keys apart', async () => {
      const { store, elsewhere } = made;
      const texts = ['', ' ', '\n\0\r', 'ü€😀', '{"value":1}', '*', 'a:b', 'a', '__proto__'];
      for (const text of texts) await store.set(`key ${text}`, text, HOUR_MS);
      for (const text of texts) expect(await elsewhere.get(`key ${text}`)).toBe(text);
    });

    test('forgets when the lifetime is over, and not before', async () => {
      const { store, clock } = made;
      await store.set('a', 'one', 60_000);
      clock.advance({ ms: 59_999 });
      expect(await store.get('a')).toBe('one');
      clock.advance({ ms: 1 });
      expect(await store.get('a')).toBeUndefined();
    });

    test('a new value has a lifetime of its own', async () => {
      const { store, clock } = made;
      await store.set('a', 'one', 60_000);
      clock.advance({ seconds: 30 });
      await store.set('a', 'two', 60_000);
      clock.advance({ seconds: 59 });
      expect(await store.get('a')).toBe('two');
      await store.set('a', 'three', 10_000);
      clock.advance({ seconds: 10 });
      expect(await store.get('a')).toBeUndefined();
    });

    test('a lifetime that is none deletes', async () => {
      const { store } = made;
      for (const lifetimeMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        await store.set('a', 'one', HOUR_MS);
        await store.set('a', 'two', lifetimeMs);
        expect(await store.get('a')).toBeUndefined();
      }
    });

    test('deletes, also what is not there', async () => {
      const { store, elsewhere } = made;
      await store.delete('a');
      await store.set('a', 'one', HOUR_MS);
      await elsewhere.delete('a');
      expect(await store.get('a')).toBeUndefined();
    });

    test('keeps nothing that is too long', async () => {
      const { store } = made;
      const key = 'k'.repeat(MAX_SHARED_KEY_LENGTH);
      const value = '\u20ac'.repeat(MAX_SHARED_VALUE_LENGTH);
      await store.set(key, value, HOUR_MS);
      expect(await store.get(key)).toBe(value);
      await store.set(key, `${value}x`, HOUR_MS);
      expect(await store.get(key)).toBeUndefined();
      await store.set(`${key}k`, 'one', HOUR_MS);
      expect(await store.get(`${key}k`)).toBeUndefined();
    });

    test('many at once do not get in each other’s way', async () => {
      const { store, elsewhere } = made;
      const keys = Array.from({ length: 200 }, (_, index) => `key ${index}`);
      await Promise.all(keys.map((key) => store.set(key, `value of ${key}`, HOUR_MS)));
      const values = await Promise.all(keys.map((key) => elsewhere.get(key)));
      expect(values).toEqual(keys.map((key) => `value of ${key}`));
    });
  });
}
