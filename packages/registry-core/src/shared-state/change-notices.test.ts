import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ChangeNotices } from './change-notices.js';
import { InProcessMessages } from './in-process-messages.js';

describe('notices of changes', () => {
  const open: ChangeNotices[] = [];
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  function notices(messages: InProcessMessages, follow: () => Promise<void>, pauseMs = 1): ChangeNotices {
    const made = new ChangeNotices({ messages, channel: 'changed', follow, pauseMs });
    open.push(made);
    return made;
  }

  function counted(look: () => Promise<void> = async () => undefined) {
    const count = { looks: 0 };
    const follow = async () => {
      count.looks += 1;
      await look();
    };
    return { count, follow };
  }

  test('others look at once, whoever announces does not', async () => {
    const messages = new InProcessMessages();
    const mine = counted();
    const theirs = counted();
    const one = notices(messages, mine.follow);
    notices(messages, theirs.follow);
    one.announce();
    expect([mine.count.looks, theirs.count.looks]).toEqual([0, 1]);
  });

  test('a hundred notices during a look make one more look after it', async () => {
    const messages = new InProcessMessages();
    let end = () => {};
    const look = counted(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    notices(messages, look.follow);
    for (let each = 0; each < 100; each += 1) await messages.publish('changed', 'somebody else');
    expect(look.count.looks).toBe(1);
    end();
    await sleep(50);
    expect(look.count.looks).toBe(2);
    end();
    await sleep(50);
    expect(look.count.looks).toBe(2);
  });

  test('a look that fails is not the last one', async () => {
    const messages = new InProcessMessages();
    const look = counted(async () => {
      throw new Error('no database');
    });
    notices(messages, look.follow);
    await messages.publish('changed', 'somebody else');
    await sleep(50);
    await messages.publish('changed', 'somebody else');
    expect(look.count.looks).toBe(2);
  });

  test('after the end nobody looks, also not for a notice that was waiting', async () => {
    const messages = new InProcessMessages();
    const look = counted();
    const made = notices(messages, look.follow, 20);
    await messages.publish('changed', 'somebody else');
    await messages.publish('changed', 'somebody else');
    await made.close();
    await messages.publish('changed', 'somebody else');
    await sleep(60);
    expect(look.count.looks).toBe(1);
  });
});
