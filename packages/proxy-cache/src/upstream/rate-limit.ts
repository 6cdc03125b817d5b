/** What an upstream tells of a rate limit, as Docker Hub does with every manifest. */
export interface RateLimit {
  /** Pulls in a window. */
  readonly limit: number;
  /** Pulls left in it. */
  readonly remaining: number;
  /** The window in seconds; six hours, which is Docker Hub's, where it is not told. */
  readonly windowS: number;
}

const DEFAULT_WINDOW_S = 21_600;
const QUANTITY = /^\s*([0-9]{1,9})(?:\s*;\s*w=([0-9]{1,9}))?/i;

/**
 * Reads `ratelimit-limit` and `ratelimit-remaining`, each `<number>[;w=<seconds>]`. `undefined` when either is missing
 * or is something else.
 */
export function parseRateLimit(limit: string | undefined, remaining: string | undefined): RateLimit | undefined {
  const most = QUANTITY.exec(limit ?? '');
  const left = QUANTITY.exec(remaining ?? '');
  if (most === null || left === null) return undefined;
  const windowS = Number(most[2] ?? left[2] ?? DEFAULT_WINDOW_S);
  return { limit: Number(most[1]), remaining: Number(left[1]), windowS: windowS === 0 ? DEFAULT_WINDOW_S : windowS };
}
