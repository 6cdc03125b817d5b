import process from 'node:process';
import type { Gc } from '@breakwater/gc';
import { readConfig } from '../config/read-config.js';
import { openCollector } from '../lifecycle/open-collector.js';
import { createLogger } from '../observe/create-logger.js';
import { explainFailure } from './explain-failure.js';

/** Opens the collector of the registry that the environment names, and closes it after use. Resolves to the exit status. */
export async function withCollector(use: (gc: Gc) => Promise<number>): Promise<number> {
  try {
    const config = readConfig(process.env);
    // What the report says need not be logged as well; who wants it sets the level.
    const level = process.env['BREAKWATER_LOG_LEVEL'] === undefined ? 'warn' : config.logLevel;
    const logger = createLogger(level, 2);
    for (const warning of config.warnings) logger.warn({}, warning);
    say('opening the database and the store');
    const { gc, close } = await openCollector(config, logger);
    try {
      return await use(gc);
    } finally {
      await close();
    }
  } catch (error) {
    say(explainRefusal(error));
    return 1;
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  GC_RUNNING: 'a run is in flight in another process; try again when it has ended (GET /api/v1/gc/runs)',
  GC_STOPPED: 'stopped before the run began',
  GC_UNAVAILABLE: 'the run could not begin: the database did not take its record',
  GC_UNKNOWN_REFERENCE:
    'nothing of that name is cached or stored: it was never pulled, or it is gone (gc_deletion says what was deleted). Hosted tags do not expire.',
};

function explainRefusal(error: unknown): string {
  const code = String((error as { readonly code?: unknown } | null)?.code);
  return (Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined) ?? explainFailure(error);
}

/** Tells whoever typed the command, beside the report. */
export function say(line: string): void {
  process.stderr.write(`breakwater gc: ${line}\n`);
}
