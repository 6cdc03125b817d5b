import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { describe, test } from '@jest/globals';

/** Something that a test needs and a machine may lack. */
export interface Need {
  readonly met: boolean;
  /** What is missing and how to get it: `skopeo (apt-get install skopeo)`. */
  readonly name: string;
}

/** A program on the PATH, and the command that installs it. */
export function tool(program: string, install: string): Need {
  return { met: programPath(program) !== undefined, name: `${program} (${install})` };
}

/** The right to start processes as other users. */
export function root(): Need {
  return { met: process.getuid?.() === 0, name: 'root' };
}

type Test = (name: string, body: () => Promise<void> | void, timeout?: number) => void;

/**
 * jest's `test`, which skips where a need is not met and says so in the name of the test:
 * `const it = testWith(tool('skopeo', 'apt-get install skopeo'))`.
 */
export function testWith(...needs: readonly Need[]): Test {
  const { test } = jestGlobals();
  const missing = firstMissing(needs);
  if (missing === undefined) return (name, body, timeout) => test(name, body, timeout);
  return (name, body, timeout) => test.skip(`${name} [skipped: needs ${missing}]`, body, timeout);
}

/** jest's `describe`, which skips the whole block where a need is not met. */
export function describeWith(...needs: readonly Need[]): (name: string, body: () => void) => void {
  const { describe } = jestGlobals();
  const missing = firstMissing(needs);
  if (missing === undefined) return (name, body) => describe(name, body);
  return (name, body) => describe.skip(`${name} [skipped: needs ${missing}]`, body);
}

function firstMissing(needs: readonly Need[]): string | undefined {
  return needs.find((need) => !need.met)?.name;
}

/** Not by import: @jest/globals throws outside jest, and benchmarks use this package as well. */
function jestGlobals(): { readonly test: typeof test; readonly describe: typeof describe } {
  return globalThis as unknown as { test: typeof test; describe: typeof describe };
}

/** Where on the PATH a program is; `undefined` when it is not. */
export function programPath(program: string): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, program));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
