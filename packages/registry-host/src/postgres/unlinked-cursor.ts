import type { Digest } from '@breakwater/registry-core';

/** Where a row stands in the order of `unlinked_since, digest`. */
export interface UnlinkedRow {
  readonly digest: Digest;
  /** ms since the epoch */
  readonly unlinked_since: string;
}

/** Where the page after these rows begins; `undefined` when they were the last. */
export function unlinkedCursor(rows: readonly UnlinkedRow[], limit: number): string | undefined {
  const last = rows.length < limit ? undefined : rows.at(-1);
  return last === undefined ? undefined : `${last.unlinked_since} ${last.digest}`;
}

/** What a cursor stands for, as bindings. */
export function readUnlinkedCursor(cursor: string | undefined): { readonly since: number; readonly digest: string } {
  const [since = '-1', digest = ''] = cursor?.split(' ') ?? [];
  return { since: Number(since), digest };
}
