import { GcError } from './errors.js';

/**
 * The outcome of a promise, or a GC_TIMEOUT failure when it takes longer than `limitMs` of real time. Whatever comes of
 * the promise after that is ignored.
 */
export function bounded<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new GcError('GC_TIMEOUT', `${what} took longer than ${limitMs} ms`)),
      limitMs,
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
