import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { startBlackHole } from './black-hole.js';

test('a connection is neither made nor refused', async () => {
  await using hole = await startBlackHole();
  const socket = connect(hole.port, '127.0.0.1');
  const outcome = await new Promise((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    setTimeout(() => resolve('nothing'), 400);
  });
  socket.destroy();
  expect(outcome).toBe('nothing');
});
