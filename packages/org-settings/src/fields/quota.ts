import { kindOf } from './seconds.js';

const RIGHT = 'must be a whole number of bytes from 1 to 9007199254740991, or null for no quota';

/** Why a value is no quota, and what would be right. */
export function quotaProblem(value: unknown): string {
  if (typeof value === 'number') return `${RIGHT}; it is ${value}`;
  if (typeof value !== 'string') return `${RIGHT}; it is ${kindOf(value)}`;
  const hint = /^\d{1,15}$/.test(value)
    ? `, a JSON number: ${Number(value)} without quotes`
    : ', 10737418240 for 10 GiB';
  return `${RIGHT}${hint}; it is the text ${JSON.stringify(value.slice(0, 40))}`;
}
