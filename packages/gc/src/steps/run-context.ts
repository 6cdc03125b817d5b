import type { Clock, CollectionRun, OrganizationName } from '@breakwater/registry-core';
import { GcError } from '../errors.js';
import type { RunRecord } from '../run-journal.js';

/** Deletions go in batches of this many: small enough for a short transaction, and for a prompt stop. */
export const DELETE_BATCH = 100;

/** Listings go in pages of this many. */
export const LIST_PAGE = 500;

/** What the steps of one run share. */
export interface RunContext {
  /** As whoever removes something hears of it. */
  readonly run: CollectionRun;
  /** The time that the whole run plans with, ms since the epoch: ages do not grow while it works. */
  readonly plannedAt: number;
  readonly dryRun: boolean;
  /** Only this organization. */
  readonly organization: OrganizationName | undefined;
  readonly clock: Clock;
  readonly record: RunRecord;
  readonly signal: AbortSignal;
  /** Called at every safe point. */
  readonly progress: () => void;
}

/**
 * The safe point between two batches.
 * @throws GcError GC_STOPPED or GC_LEASE_LOST
 */
export async function safePoint(context: RunContext): Promise<void> {
  if (context.signal.aborted) throw new GcError('GC_STOPPED', 'the collector was stopped');
  await context.record.beat();
  context.progress();
}

/** Cuts a list into batches. */
export function batches<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
  return result;
}

/**
 * The answers of a port, which must be as many as the questions.
 * @throws GcError GC_PROTOCOL
 */
export function oneEach<T>(answers: readonly T[], questions: readonly unknown[], port: string): readonly T[] {
  if (answers.length === questions.length) return answers;
  throw new GcError('GC_PROTOCOL', `${port} answered ${answers.length} times to ${questions.length} questions`);
}

/**
 * Goes through a listing page by page, with a safe point before each.
 * @throws GcError GC_PROTOCOL when the listing does not move on, which would go round for ever
 */
export async function* pages<Page extends { readonly next: string | undefined }>(
  context: RunContext,
  read: (cursor: string | undefined) => Promise<Page>,
): AsyncGenerator<Page, void, undefined> {
  let cursor: string | undefined;
  do {
    await safePoint(context);
    const page = await read(cursor);
    if (page.next !== undefined && page.next === cursor)
      throw new GcError('GC_PROTOCOL', 'the listing does not move on');
    yield page;
    cursor = page.next;
  } while (cursor !== undefined);
}
