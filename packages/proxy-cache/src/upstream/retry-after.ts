/** The longest wait that an upstream may impose on us, in milliseconds (P8). */
export const MAX_RETRY_AFTER_MS = 15 * 60_000;

const IMF_FIXDATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/;

/**
 * Reads a `Retry-After` header (RFC 9110, 10.2.3) strictly: whole seconds or an IMF-fixdate; anything else is as if it
 * were not there. The result is in milliseconds from `now`, at most 15 minutes.
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const value = header?.trim() ?? '';
  if (/^[0-9]{1,15}$/.test(value)) return Math.min(Number(value) * 1000, MAX_RETRY_AFTER_MS);
  if (!IMF_FIXDATE.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), MAX_RETRY_AFTER_MS);
}
