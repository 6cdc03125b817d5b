import type { Health } from '../api/shapes.js';
import { sizeWords } from './byte-size.js';
import { counted, durationWords } from './duration.js';
import { failureClassWords } from './failure-classes.js';

/** How the upstream is, in one line. `now` in milliseconds since the epoch. */
export function upstreamSentence(health: Health, now: number): string {
  const { status, upstream, known_down_since, failure_class, upstream_status } = health;
  if (status === 'up') return `${upstream} answers.`;
  if (status === 'unknown') {
    return failure_class === 'blocked'
      ? `${upstream} ${failureClassWords('blocked').happened}.`
      : `${upstream} has not been asked yet.`;
  }
  const answered = upstream_status === null ? '' : ` (status ${upstream_status})`;
  const since =
    known_down_since === null ? '' : `, for ${durationWords((now - Date.parse(known_down_since)) / 1000)} now`;
  return `${upstream} ${failureClassWords(failure_class ?? '').happened}${answered}${since}.`;
}

/** What the cache has done in the last 24 hours, said as what it means for people. */
export function protectionSentence({ last_24h }: Health): string {
  const { shielded_pulls, passed_errors } = last_24h;
  if (shielded_pulls === 0 && passed_errors === 0) return 'No pull has needed protection in the last 24 hours.';
  const saved = `${counted(shielded_pulls, 'pulls')} saved`;
  const failed = passed_errors === 0 ? 'none failed' : `${counted(passed_errors, 'errors')} reached a client`;
  return `${saved} in the last 24 hours, ${failed}.`;
}

/** When the upstream is asked next. */
export function nextCheckSentence({ next_check_at, retry_after_until }: Health, now: number): string | undefined {
  const at = retry_after_until ?? next_check_at;
  if (at === null) return undefined;
  const left = (Date.parse(at) - now) / 1000;
  return left <= 0 ? 'now' : `in ${durationWords(Math.ceil(left))}`;
}

/** When the first cached image is no longer shielded: its last confirmation and the staleness period. */
export function firstLapseSentence({ cached }: Health, stalenessS: number, now: number): string {
  const { tags, lapsed, oldest_confirmed_at } = cached;
  if (tags === 0 || oldest_confirmed_at === null) return 'Nothing is cached yet.';
  if (lapsed >= tags) return 'None of the cached images is shielded any more.';
  if (lapsed > 0) return `${counted(lapsed, 'images')} of ${tags} can be served only if the upstream confirms them.`;
  const left = (Date.parse(oldest_confirmed_at) + stalenessS * 1000 - now) / 1000;
  return `All ${counted(tags, 'images')} are shielded; the first lapses in ${durationWords(left)}.`;
}

/** Whether what is cached could be pulled whole without the upstream. */
export function completenessSentence({ cached, missing }: Health): string | undefined {
  const { contents, bytes, counted_up_to, too_large, given_up } = missing;
  if (cached.tags === 0) return undefined;
  if (contents === 0) return 'What was pulled is stored whole.';
  const many = `${contents.toLocaleString('en')}${contents >= counted_up_to ? ' or more' : ''}`;
  const pieces = contents === 1 ? 'piece' : 'pieces';
  const left =
    too_large + given_up === 0 ? '' : `; ${(too_large + given_up).toLocaleString('en')} only when a client asks`;
  return `${many} ${pieces} (${sizeWords(bytes)}) of cached images are still to be fetched${left}.`;
}
