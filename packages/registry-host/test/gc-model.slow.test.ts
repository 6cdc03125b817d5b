import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { modelStep } from './support/gc-model/model-steps.js';
import { type ModelCounts, ModelledRegistry } from './support/gc-model/modelled-registry.js';

// Whatever happens in whatever order: after each collection everything is there that the reference model has to be there,
// and nothing takes up space that must not. `npm run test:gc-model` makes 100,000 steps.
// BREAKWATER_TEST_GC_MODEL_SEED=<seed> makes one schedule again.

const STEPS = Number(process.env['BREAKWATER_TEST_GC_MODEL_STEPS'] ?? 2_000);
const SEED = process.env['BREAKWATER_TEST_GC_MODEL_SEED'];
/** Steps of one schedule, which begins with a registry that has never been started. */
const LENGTH = 200;
const STEPS_PER_HTTP_READ = 100;
const SCHEDULES_PER_LINE = 10;
/** Schedules at a time: most of one is waiting for the disk. */
const AT_A_TIME = 4;

test('what is kept is what the reference model keeps', async () => {
  const seeds = SEED === undefined ? randomSeeds(Math.ceil(STEPS / LENGTH)) : [Number(SEED)];
  const sum = new Map<string, number>();
  say(`${seeds.length} schedules of ${LENGTH} steps, seeds ${seeds[0]} to ${seeds.at(-1)}`);
  const began = performance.now();
  let done = 0;
  const waiting = [...seeds];
  const work = async () => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      // Nobody begins another one after a failure.
      const counts = await perform(seed).catch((error: unknown) => {
        waiting.length = 0;
        throw error;
      });
      for (const [name, count] of Object.entries(counts)) sum.set(name, (sum.get(name) ?? 0) + count);
      done += 1;
      if (done % SCHEDULES_PER_LINE !== 0 && done !== seeds.length) continue;
      const seconds = Math.round((performance.now() - began) / 1000);
      say(`${done * LENGTH} steps, ${seconds} s: ${JSON.stringify(Object.fromEntries(sum))}`);
    }
  };
  const worked = await Promise.allSettled(Array.from({ length: AT_A_TIME }, work));
  for (const each of worked) if (each.status === 'rejected') throw each.reason;
  if (SEED !== undefined) return;
  // Steps that come to nothing would prove nothing.
  for (const name of ['expired', 'freedBlobs', 'held', 'crashes', 'contractReads', 'httpReads']) {
    expect([name, sum.get(name)]).not.toEqual([name, 0]);
  }
});

async function perform(seed: number): Promise<ModelCounts> {
  const steps = fc.sample(modelStep, { seed, numRuns: LENGTH });
  await using modelled = await ModelledRegistry.start();
  for (const [at, step] of steps.entries()) {
    try {
      await modelled.perform(step);
      if ((at + 1) % STEPS_PER_HTTP_READ === 0) {
        await modelled.perform({ kind: 'collect' });
        await modelled.readOverHttp();
      }
    } catch (error) {
      const before = steps.slice(Math.max(0, at - 40), at + 1).map((each) => JSON.stringify(each));
      const again = `BREAKWATER_TEST_GC_MODEL_SEED=${seed} npm run test:gc-model makes it again`;
      throw new Error(`step ${at + 1}: ${error}\n${again}\nthe steps up to it:\n${before.join('\n')}`, {
        cause: error,
      });
    }
  }
  return modelled.counts;
}

function randomSeeds(count: number): readonly number[] {
  const first = Math.floor(Math.random() * 2 ** 30);
  return Array.from({ length: count }, (_, at) => first + at);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
