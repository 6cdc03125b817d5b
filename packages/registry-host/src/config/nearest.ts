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

function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
