import { editDistance } from '@breakwater/registry-core';

/** Fields that the API writes and reads. */
export const FIELD_NAMES = [
  'upstream_registry',
  'upstream_registry_username',
  'upstream_registry_password',
  'upstream_ca_pem',
  'insecure',
  'staleness_period_s',
  'check_interval_s',
  'expiration_s',
  'serve_when_removed',
  'serve_when_denied',
  'anonymous_pull',
  'prefetch',
  'prefetch_max_bytes',
  'quota_bytes',
] as const;

export type FieldName = (typeof FIELD_NAMES)[number];

/** Names that clients send and nobody needs: Quay's UI names the organization, and a GET may be sent back as a PUT. */
const IGNORED: ReadonlySet<string> = new Set(['org_name', 'has_credentials', 'upstream_ca_fingerprints']);
const KNOWN: ReadonlySet<string> = new Set(FIELD_NAMES);

const UNIT = /_(?:s|secs?|seconds?|ms|millis|m|mins?|minutes?|h|hours?|d|days?)$/;
const MIN_PART = 5;
/** What several fields begin with, and the one that is meant by it alone. */
const ALONE: ReadonlyMap<string, FieldName> = new Map([['upstream', 'upstream_registry']]);

/**
 * The field that an unknown name was meant for; `undefined` for a known name, and for one that resembles none. Quay
 * ignores names it does not know, so a period that was misspelt would be saved as the default and nobody would notice.
 */
export function meantField(name: string): FieldName | undefined {
  if (KNOWN.has(name) || IGNORED.has(name) || name.length > 64) return undefined;
  const words = wordsOf(name);
  const alone = ALONE.get(words.join('_'));
  if (alone !== undefined) return alone;
  let best: { readonly field: FieldName; readonly score: number } | undefined;
  for (const field of FIELD_NAMES) {
    const score = distance(words, wordsOf(field));
    if (score !== undefined && (best === undefined || score < best.score)) best = { field, score };
  }
  return best?.field;
}

/** `stalenessPeriodSeconds`, `staleness-period` and `staleness_period_s` have the same words. */
function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(UNIT, '')
    .split('_')
    .filter((word) => word !== '');
}

/** How far apart two names are: spelling mistakes first, then the letters that an abbreviation leaves out. */
function distance(words: readonly string[], knownWords: readonly string[]): number | undefined {
  const stem = words.join('');
  const known = knownWords.join('');
  const edits = editDistance(stem, known);
  if (edits <= (known.length < 10 ? 1 : 2)) return edits;
  if (stem.length < MIN_PART) return undefined;
  const isPart = known.startsWith(stem) || known.endsWith(stem) || words.every((word) => knownWords.includes(word));
  return isPart ? 2 + known.length - stem.length : undefined;
}
