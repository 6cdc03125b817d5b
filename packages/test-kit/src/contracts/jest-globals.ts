import type { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

/** Not by import: @jest/globals throws outside jest, and benchmarks and foreign hosts use this package as well. */
export function jestGlobals(): {
  readonly afterEach: typeof afterEach;
  readonly beforeEach: typeof beforeEach;
  readonly describe: typeof describe;
  readonly expect: typeof expect;
  readonly test: typeof test;
} {
  return globalThis as unknown as ReturnType<typeof jestGlobals>;
}
