import { describe, expect, test } from '@jest/globals';
import { RetryBudget } from './retry-budget.js';

const A = 'https://a.example';
const B = 'https://b.example';

function budgetAt(start = 0) {
  let now = start;
  const budget = new RetryBudget(() => now);
  return {
    advance: (ms: number) => {
      now += ms;
    },
    request: (count: number, origin = A) => {
      for (let n = 0; n < count; n += 1) budget.noteRequest(origin);
    },
    /** How many retries it gives when a thousand are wanted. */
    taken: (origin = A, wanted = 1_000) =>
      Array.from({ length: wanted }, () => budget.takeRetry(origin)).filter(Boolean).length,
  };
}

describe('P6: retries of an origin', () => {
  test('are ten a second, whatever was asked', () => {
    expect(budgetAt().taken()).toBe(100);
  });

  test('are a tenth of the requests beyond them', () => {
    const budget = budgetAt();
    budget.request(5_009);
    expect(budget.taken()).toBe(600);
    expect(budget.taken()).toBe(0);
  });

  test('come back as they leave the window of ten seconds', () => {
    const budget = budgetAt(123_456);
    expect(budget.taken(A, 60)).toBe(60);
    budget.advance(5_000);
    expect(budget.taken()).toBe(40);
    budget.advance(4_000);
    expect(budget.taken()).toBe(0);
    budget.advance(1_000);
    expect(budget.taken()).toBe(60);
    budget.advance(60_000);
    expect(budget.taken()).toBe(100);
  });

  test('are no longer given for requests that have left it', () => {
    const budget = budgetAt();
    budget.request(1_000);
    budget.advance(9_999);
    expect(budget.taken(A, 150)).toBe(150);
    budget.advance(10_000);
    expect(budget.taken()).toBe(100);
  });

  test('of one origin take none from another', () => {
    const budget = budgetAt();
    budget.request(1_000, A);
    expect([budget.taken(A), budget.taken(B)]).toEqual([200, 100]);
  });

  test('are counted for a thousand origins at most', () => {
    const budget = budgetAt();
    expect(budget.taken('https://first.example')).toBe(100);
    for (let n = 0; n < 1_000; n += 1) budget.request(1, `https://${n}.example`);
    expect(budget.taken('https://first.example')).toBe(100);
  });
});
