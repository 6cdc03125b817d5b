/** What `withinBudget` resolves to when time is up. */
export const OVERDUE = Symbol('overdue');

/** Waits for a promise, but no longer than so many milliseconds. The promise goes on. */
export function withinBudget<T>(promise: Promise<T>, budgetMs: number): Promise<T | typeof OVERDUE> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(OVERDUE), budgetMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
