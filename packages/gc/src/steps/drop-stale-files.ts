import type { StaleFiles } from '@breakwater/registry-core';
import type { StaleNumbers } from '../report.js';
import type { IntendedDeletions } from '../run-journal.js';
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
      const dropped = await dropOnRecord(context, sort, before);
      numbers.files += dropped.files;
      numbers.bytes += dropped.bytes;
      numbers.sorts[sort.name] = { files: dropped.files, bytes: dropped.bytes };
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function dropOnRecord(
  { record, dryRun }: RunContext,
  sort: StaleFiles,
  before: number,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const intended: { readonly files: number; readonly record: IntendedDeletions }[] = [];
  const dropped = await sort.drop(before, dryRun, async (files) => {
    const deletions = files.map(({ name, bytes: size }) => ({
      kind: 'file' as const,
      reference: name,
      size,
      reason: `stale: ${sort.name}`,
    }));
    intended.push({ files: files.length, record: await record.intend(deletions) });
  });
  for (const each of intended) await each.record.settle(Array.from({ length: each.files }, () => 'done'));
  return dropped;
}
