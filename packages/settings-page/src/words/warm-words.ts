import type { WarmProgress } from '../api/shapes.js';
import { counted } from './duration.js';

/** How far images that are fetched are, in one line. */
export function warmWords({
  finished,
  counts,
  references,
}: Pick<WarmProgress, 'finished' | 'counts' | 'references'>): string {
  const failed = counts.failed === 0 ? '' : `, ${counts.failed.toLocaleString('en')} failed`;
  const all = references.length.toLocaleString('en');
  return finished
    ? `${counted(counts.done, 'images')} of ${all} fetched${failed}`
    : `Fetching images: ${counts.done.toLocaleString('en')} of ${all} done${failed}`;
}
