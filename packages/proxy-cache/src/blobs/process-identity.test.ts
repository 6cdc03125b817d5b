import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { hasEnded, ownIdentity } from './process-identity.js';

const own = ownIdentity();
const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('this process runs, and one that began at another time with its number has ended', () => {
  const [space, pid, began] = own.split('-');
  expect(hasEnded(own)).toBe(false);
  expect(hasEnded(`${space}-${pid}-${Number(began) - 1}`)).toBe(true);
});

onLinux('a process that was killed has ended', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  expect(hasEnded(`${own.split('-')[0]}-${child.pid}-1`)).toBe(true);
});

test.each(['', 'nonsense', 'another-1-1', '--'])('of %j nothing is known', (identity) => {
  expect(hasEnded(identity)).toBe(false);
});
