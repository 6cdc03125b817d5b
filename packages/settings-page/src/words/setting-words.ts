import type { Prefetch } from '../api/shapes.js';
import { sizeWords } from './byte-size.js';
import { durationWords } from './duration.js';

/** What is fetched behind a pull. */
export const PREFETCH_WORDS: Readonly<Record<Prefetch, string>> = {
  image: 'What the pulled image still lacks',
  all_platforms: 'Every platform of the image',
  off: 'Nothing',
};

/** The value of a field as the form would say it. */
export function settingWords(field: string, value: unknown): string {
  if (field === 'check_interval_s' && value === null) return 'once per staleness period';
  if (field === 'check_interval_s' && value === 0) return 'on every pull';
  if (field === 'expiration_s' && value === 0) return 'never';
  if (field === 'staleness_period_s' && value === 0) return 'none';
  if (field.endsWith('_s') && typeof value === 'number') return durationWords(value);
  if (field === 'quota_bytes' && value === null) return 'none';
  if (field.endsWith('_bytes') && typeof value === 'number') return sizeWords(value);
  if (field === 'prefetch') return PREFETCH_WORDS[value as Prefetch] ?? String(value);
  if (Array.isArray(value))
    return value.length === 0 ? 'none' : value.map((each) => String(each).slice(0, 16)).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}
