import process from 'node:process';
import { type Gc, type GcReport, reportJson, type StepReport } from '@breakwater/gc';
import { readConfig } from '../config/read-config.js';
import { openCollector } from '../lifecycle/open-collector.js';
import { createLogger } from '../observe/create-logger.js';
import { explainFailure } from './explain-failure.js';
import type { CollectCommand } from './parse-command.js';
import { reportText, stepText } from './report-text.js';

/** A run that has nothing new to tell says so this often, ms. */
const SIGN_OF_LIFE_MS = 5_000;

/** Collects garbage once and prints the report. Resolves to the exit status. */
export async function collect(command: CollectCommand): Promise<number> {
  try {
    const config = readConfig(process.env);
    // What the report says need not be logged as well; who wants it sets the level.
    const level = process.env['BREAKWATER_LOG_LEVEL'] === undefined ? 'warn' : config.logLevel;
    const logger = createLogger(level, 2);
    for (const warning of config.warnings) logger.warn({}, warning);
    say('opening the database and the store');
    const { gc, close } = await openCollector(config, logger);
    try {
      return print(await run(gc, command), command);
    } finally {
      await close();
    }
  } catch (error) {
    say(explain(error));
    return 1;
  }
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

const REFUSALS: Readonly<Record<string, string>> = {
  GC_RUNNING: 'a run is in flight in another process; try again when it has ended (GET /api/v1/gc/runs)',
  GC_STOPPED: 'stopped before the run began',
  GC_UNAVAILABLE: 'the run could not begin: the database did not take its record',
};

function explain(error: unknown): string {
  const code = String((error as { readonly code?: unknown } | null)?.code);
  return (Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined) ?? explainFailure(error);
}

function say(line: string): void {
  process.stderr.write(`breakwater gc: ${line}\n`);
}
