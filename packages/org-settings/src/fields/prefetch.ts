import { PREFETCH_MODES } from '@breakwater/registry-core';
import { kindOf } from './seconds.js';

/** Most bytes that an organization can allow for one image: one TiB. */
export const MAX_PREFETCH_BYTES = 1024 ** 4;
const RIGHT_MODES = `must be one of ${PREFETCH_MODES.map((mode) => JSON.stringify(mode)).join(', ')}`;
const RIGHT_BYTES = `must be a whole number of bytes from 1 to ${MAX_PREFETCH_BYTES}`;

/** Why a value is no prefetch mode, and what would be right. */
export function prefetchModeProblem(value: unknown): string {
  const is = typeof value === 'string' ? `the text ${JSON.stringify(value.slice(0, 40))}` : kindOf(value);
  const hint = value === false || value === null ? '; "off" fetches nothing in the background' : '';
  return `${RIGHT_MODES}; it is ${is}${hint}`;
}

/** Why a value is no limit, and what would be right. */
export function prefetchBytesProblem(value: unknown): string {
  if (value === 0) return `${RIGHT_BYTES}; it is 0: to fetch nothing in the background, set prefetch to "off"`;
  if (typeof value === 'number') return `${RIGHT_BYTES}; it is ${value}`;
  if (typeof value !== 'string') return `${RIGHT_BYTES}; it is ${kindOf(value)}`;
  const hint = /^\d{1,13}$/.test(value)
    ? `, a JSON number: ${Number(value)} without quotes`
    : ', 10737418240 for 10 GiB';
  return `${RIGHT_BYTES}${hint}; it is the text ${JSON.stringify(value.slice(0, 40))}`;
}
