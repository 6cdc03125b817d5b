import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { type Listener, startListener } from './listener.js';

test('it ends although a connection of it is just ending by itself', async () => {
  let killed: Promise<void> | undefined;
  const listener: Listener = await startListener({
    address: '127.0.0.1',
    port: 0,
    onRequest: (_request, response) => response.end(),
    fateOfConnection: () => {
      // While the kernel is being told of the end: a reset is refused then, and nobody hears of the close.
      process.nextTick(() => {
        killed = listener.kill();
      });
      return { by: 'garbage', bytes: Buffer.from('x') };
    },
  });
  const client = connect(listener.port, '127.0.0.1');
  client.on('error', () => undefined).resume();
  await once(client, 'close');
  await killed;
  expect([killed !== undefined, listener.openSockets]).toEqual([true, 0]);
}, 5_000);
