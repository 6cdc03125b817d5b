import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '@breakwater/registry-core';
import { expect, test } from '@jest/globals';
import { ChangePoll } from './change-poll.js';

/** A poll whose questions are answered when the test says so. */
function start() {
  const answers: (() => void)[] = [];
  const ask = () => new Promise<void>((answer) => answers.push(answer));
  return { answers, poll: new ChangePoll({ ask, maxStaleMs: 60_000, logger: silentLogger }) };
}

test('told of a change while a question is under way, it asks once more: the answer may be from before', async () => {
  const { answers, poll } = start();
  const reading = poll.touch();
  const told = poll.askNow();
  expect(answers).toHaveLength(1);
  answers[0]?.();
  await reading;
  await sleep(0);
  expect(answers).toHaveLength(2);
  answers[1]?.();
  await told;
  expect(answers).toHaveLength(2);
  poll.close();
});

test('told of a change, it asks though nobody reads; after its end it does not', async () => {
  const { answers, poll } = start();
  const told = poll.askNow();
  await sleep(0);
  expect(answers).toHaveLength(1);
  answers[0]?.();
  await told;
  poll.close();
  await poll.askNow();
  expect(answers).toHaveLength(1);
});
