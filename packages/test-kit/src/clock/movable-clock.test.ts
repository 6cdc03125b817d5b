import { describe, expect, test } from '@jest/globals';
import { movableClock } from './movable-clock.js';

describe('movableClock', () => {
  test('stands still until it is moved', () => {
    const clock = movableClock(5);
    expect(clock.now()).toBe(5);
    expect(clock.now()).toBe(5);
  });

  test('advances by the sum of the parts', () => {
    const clock = movableClock(0);
    clock.advance({ days: 1, hours: 1, minutes: 1, seconds: 1, ms: 1 });
    expect(clock.now()).toBe(90_061_001);
  });

  test('goes back, and to a given time', () => {
    const clock = movableClock(10_000);
    clock.advance({ seconds: -4 });
    expect(clock.now()).toBe(6_000);
    clock.set(1);
    expect(clock.now()).toBe(1);
  });
});
