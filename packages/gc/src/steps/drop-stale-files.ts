import type { StaleFiles } from '@breakwater/registry-core';
import type { StaleNumbers } from '../report.js';
import { type RunContext, safePoint } from './run-context.js';

/** Drops uploads and partial downloads that nobody will go on with. One sort that fails does not keep the others. */
export async function dropStaleFiles(
  context: RunContext,
  sorts: readonly StaleFiles[],
  before: number,
  numbers: StaleNumbers,
): Promise<void> {
  const failures: unknown[] = [];
  for (const sort of sorts) {
    await safePoint(context);
    try {
      const dropped = await sort.drop(before, context.dryRun);
      numbers.files += dropped.files;
      numbers.bytes += dropped.bytes;
      numbers.sorts[sort.name] = { files: dropped.files, bytes: dropped.bytes };
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
