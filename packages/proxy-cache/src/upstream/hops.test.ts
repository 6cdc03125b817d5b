import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Hops } from './hops.js';

const hop = (n: number) => `breakwater-${String(n).padStart(16, '0')}`;
const through = (count: number) => Array.from({ length: count }, (_, n) => `1.1 ${hop(n)}`).join(', ');

describe('the hops of a request', () => {
  test('are one of our own, which no other process has', () => {
    const [one, two] = [new Hops(), new Hops()];
    expect(one.via).toMatch(/^1\.1 breakwater-[0-9a-f]{16}$/);
    expect(two.via).not.toBe(one.via);
  });

  test('go on with what the request causes, also after it, and with nothing else', async () => {
    const hops = new Hops();
    const own = hops.via;
    let later: Promise<string> | undefined;
    const during = await hops.follow(`1.1 ${hop(1)}`, async () => {
      later = turn().then(() => hops.via);
      await turn();
      return hops.via;
    });
    expect([during, await later, hops.via]).toEqual([`1.1 ${hop(1)}, ${own}`, `1.1 ${hop(1)}, ${own}`, own]);
  });

  test.each([undefined, '', '1.1 nginx', 'breakwater-0', `1.1 ${hop(1)}x`, `1.1 x${hop(1)}`, `1.1 a(${hop(1)})`])(
    'are not %j',
    async (via) => {
      const hops = new Hops();
      expect(await hops.follow(via, async () => hops.via)).toBe(hops.via);
    },
  );

  test('are found among others, and only they are sent on', async () => {
    const hops = new Hops();
    const via = `1.0 fred, HTTP/1.1 ${hop(1).toUpperCase()} (a comment),1.1 p.example.net`;
    expect(await hops.follow(via, async () => hops.via)).toBe(`1.1 ${hop(1)}, ${hops.via}`);
  });

  test.each([
    ['our own', (own: string) => own],
    [
      'our own among others',
      (own: string) => `1.1 ${hop(1)}, ${own.toUpperCase().replace('1.1', 'HTTP/1.1')} (x), 1.1 nginx`,
    ],
    ['six', () => through(6)],
  ])('are refused, and nothing is done: %s', async (_what, via) => {
    const hops = new Hops();
    let done = false;
    const following = async () =>
      hops.follow(via(hops.via), () => {
        done = true;
      });
    await expect(following()).rejects.toMatchObject({ failureClass: 'protocol' });
    expect(done).toBe(false);
  });

  test('may be five', async () => {
    const hops = new Hops();
    expect(await hops.follow(through(5), async () => hops.via)).toBe(`${through(5)}, ${hops.via}`);
  });
});
