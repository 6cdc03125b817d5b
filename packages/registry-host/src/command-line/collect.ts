import process from 'node:process';
import { type Gc, type GcReport, reportJson, type StepReport } from '@breakwater/gc';
import type { CollectCommand } from './parse-command.js';
import { reportText, stepText } from './report-text.js';
import { say, withCollector } from './with-collector.js';

/** A run that has nothing new to tell says so this often, ms. */
const SIGN_OF_LIFE_MS = 5_000;

/** Collects garbage once and prints the report. Resolves to the exit status. */
export function collect(command: CollectCommand): Promise<number> {
  return withCollector(async (gc) => print(await run(gc, command), command));
}

async function run(gc: Gc, { dryRun, force, organization }: CollectCommand): Promise<GcReport> {
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1000);
  let last: StepReport | undefined;
  let told = began;
  const tell = () => {
    told = performance.now();
    say(`${seconds()} s: ${last === undefined ? 'looking for what is due' : stepText(last)}`);
  };
  gc.events.on('progress', ({ steps }) => {
    last = steps.at(-1);
    tell();
  });
  const signOfLife = setInterval(() => {
    if (performance.now() - told >= SIGN_OF_LIFE_MS) tell();
  }, SIGN_OF_LIFE_MS / 5);
  const ending = (signal: NodeJS.Signals) => {
    say(`${signal}: the run ends after this batch; once more to stop at once`);
    process.once(signal, () => process.exit(1));
    void gc.stop();
  };
  process.once('SIGINT', ending);
  process.once('SIGTERM', ending);
  say(dryRun ? 'a dry run: nothing is deleted' : 'the run begins');
  try {
    return await gc.runOnce({ dryRun, force, organization });
  } finally {
    clearInterval(signOfLife);
    process.off('SIGINT', ending);
    process.off('SIGTERM', ending);
  }
}

function print(report: GcReport, { json }: CollectCommand): number {
  process.stdout.write(json ? `${JSON.stringify(reportJson(report), undefined, 2)}\n` : reportText(report));
  return report.outcome === 'done' ? 0 : 1;
}
