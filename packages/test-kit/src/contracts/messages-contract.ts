import { MAX_MESSAGE_LENGTH, type Messages } from '@breakwater/registry-core';
import { jestGlobals } from './jest-globals.js';

/**
 * What every Messages must do. `make` gives two ends (the same one twice, where there is only one); `settled` resolves
 * when every subscription and everything that was published has reached both.
 */
export function describeMessages(
  name: string,
  make: () => Promise<{
    readonly one: Messages;
    readonly other: Messages;
    settled(): Promise<void>;
    close?(): Promise<void>;
  }>,
): void {
  const { afterEach, beforeEach, describe, expect, test } = jestGlobals();

  describe(`Messages contract: ${name}`, () => {
    let made: Awaited<ReturnType<typeof make>>;
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.close?.());

    /** Listens and keeps what it hears. */
    function listen(messages: Messages, channel: string) {
      const heard: string[] = [];
      return { heard, stop: messages.subscribe(channel, (message) => void heard.push(message)) };
    }

    test('every listener hears a message once, the publisher’s own too', async () => {
      const listeners = [listen(made.one, 'news'), listen(made.one, 'news'), listen(made.other, 'news')];
      await made.settled();
      await made.one.publish('news', 'first');
      await made.settled();
      await made.other.publish('news', 'second');
      await made.settled();
      for (const { heard } of listeners) expect(heard).toEqual(['first', 'second']);
    });

    test('channels are apart', async () => {
      const { heard } = listen(made.other, 'news');
      const rest = listen(made.other, '*');
      await made.settled();
      await made.one.publish('new', 'a');
      await made.one.publish('news2', 'b');
      await made.one.publish('news', 'c');
      await made.settled();
      expect([heard, rest.heard]).toEqual([['c'], []]);
    });

    test('who has stopped listening hears no more, and others do', async () => {
      const first = listen(made.other, 'news');
      const second = listen(made.other, 'news');
      await made.settled();
      first.stop();
      first.stop();
      await made.one.publish('news', 'a');
      await made.settled();
      second.stop();
      await made.settled();
      await made.one.publish('news', 'b');
      const third = listen(made.other, 'news');
      await made.settled();
      await made.one.publish('news', 'c');
      await made.settled();
      expect([first.heard, second.heard, third.heard]).toEqual([[], ['a'], ['c']]);
    });

    test('what a listener throws reaches neither the publisher nor the other listeners', async () => {
      made.other.subscribe('news', () => {
        throw new Error('a listener of a test');
      });
      const { heard } = listen(made.other, 'news');
      await made.settled();
      await made.one.publish('news', 'a');
      await made.settled();
      expect(heard).toEqual(['a']);
    });

    test('any text comes as it is, and one that is too long does not', async () => {
      const { heard } = listen(made.other, 'news');
      await made.settled();
      const texts = ['', '\n\0', 'ü€😀', '"', '{}', '\u20ac'.repeat(MAX_MESSAGE_LENGTH)];
      for (const text of texts) await made.one.publish('news', text);
      await made.one.publish('news', 'x'.repeat(MAX_MESSAGE_LENGTH + 1));
      await made.settled();
      expect(heard).toEqual(texts);
    });
  });
}
