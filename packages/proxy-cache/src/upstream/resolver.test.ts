import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { ResolvedAddress } from '../ports.js';
import { Resolver } from './resolver.js';

/** A look-up that answers when it is told to. */
function heldLookup() {
  const asked: string[] = [];
  const held = new Map<string, (addresses: readonly ResolvedAddress[] | Error) => void>();
  return {
    asked,
    lookup: (hostname: string) => {
      asked.push(hostname);
      return new Promise<readonly ResolvedAddress[]>((resolve, reject) => {
        held.set(hostname, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      });
    },
    answer(hostname: string, answer: readonly ResolvedAddress[] | Error = [{ address: '192.0.2.1', family: 4 }]) {
      held.get(hostname)?.(answer);
      held.delete(hostname);
      return sleep(0);
    },
  };
}

describe('look-ups', () => {
  test('of one name are shared, and nothing is remembered', async () => {
    const { lookup, asked, answer } = heldLookup();
    const resolver = new Resolver(lookup);
    const all = Array.from({ length: 20 }, () => resolver.resolve('a.example'));
    await answer('a.example');
    expect(new Set((await Promise.all(all)).map(([first]) => first?.address))).toEqual(new Set(['192.0.2.1']));
    expect(asked).toEqual(['a.example']);
    void resolver.resolve('a.example');
    expect(asked).toEqual(['a.example', 'a.example']);
  });

  test('run at most two at a time, and a hung one does not stop the others', async () => {
    const { lookup, asked, answer } = heldLookup();
    const resolver = new Resolver(lookup);
    const [, b, c, d] = ['hung', 'b', 'c', 'd'].map((name) => resolver.resolve(name));
    expect(asked).toEqual(['hung', 'b']);
    await answer('b');
    await b;
    expect(asked).toEqual(['hung', 'b', 'c']);
    await answer('c', new Error('SERVFAIL'));
    await expect(c).rejects.toMatchObject({ failureClass: 'dns' });
    expect(asked).toEqual(['hung', 'b', 'c', 'd']);
    await answer('d');
    await d;
    void resolver.resolve('e');
    expect(asked).toEqual(['hung', 'b', 'c', 'd', 'e']);
  });

  test.each([
    ['fails', new Error('ENOTFOUND')],
    ['has no address', []],
  ])('a name that %s is an outage of class dns', async (_what, outcome) => {
    const { lookup, answer } = heldLookup();
    const resolving = new Resolver(lookup).resolve('x');
    void answer('x', outcome);
    await expect(resolving).rejects.toMatchObject({ code: 'UPSTREAM_FAILED', failureClass: 'dns' });
  });
});
