/** Longest period in seconds: ten years. */
export const MAX_SECONDS = 315_360_000;

/** Why a value is no period, and what would be right. */
export function secondsProblem(value: unknown, orNull: boolean): string {
  const right = `must be a whole number of seconds from 0 to ${MAX_SECONDS}${orNull ? ', or null' : ''}`;
  if (typeof value === 'string') {
    const hint = /^\d{1,9}$/.test(value)
      ? `, a JSON number: ${Number(value)} without quotes`
      : ', 3600 for an hour say';
    return `${right}${hint}; it is the text ${JSON.stringify(value.slice(0, 40))}`;
  }
  if (typeof value === 'number') return `${right}; it is ${value}`;
  return `${right}; it is ${kindOf(value)}`;
}

/** A word for the type of a JSON value, for messages that must not repeat the value itself. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'boolean') return String(value);
  return value === undefined ? 'missing' : `a ${typeof value}`;
}
