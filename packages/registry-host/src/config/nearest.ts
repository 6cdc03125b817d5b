import { editDistance } from '@breakwater/registry-core';

/** The candidate that takes the fewest edits (insert, delete, replace a character), and how many. */
export function nearest<T extends string>(
  text: string,
  candidates: readonly T[],
): { name: T; edits: number } | undefined {
  let best: { name: T; edits: number } | undefined;
  for (const name of candidates) {
    const edits = editDistance(text, name);
    if (best === undefined || edits < best.edits) best = { name, edits };
  }
  return best;
}
