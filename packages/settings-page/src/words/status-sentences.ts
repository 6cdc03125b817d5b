import type { EventSums, Health } from '../api/shapes.js';
import { sizeWords } from './byte-size.js';
import { counted, durationWords } from './duration.js';
import { failureClassWords } from './failure-classes.js';

/** How the upstream is, in one line. `now` in milliseconds since the epoch. */
export function upstreamSentence(health: Health, now: number): string {
  const { status, upstream, known_down_since, failure_class } = health;
  if (status === 'up') return `${upstream} answers.`;
  if (status === 'unknown') {
    return failure_class === 'blocked'
      ? `${upstream} ${failureClassWords('blocked').happened}.`
      : `${upstream} has not been asked yet.`;
  }
  const since = known_down_since === null ? '' : ` for ${durationWords((now - Date.parse(known_down_since)) / 1000)}`;
  return failure_class === 'rate_limited'
    ? `${upstream} has refused further requests${since}.`
    : `${upstream} has been down${since}.`;
}

/** Why it is down, as far as the last check tells: what it failed with before may have been something else. */
export function latestFailureSentence({ status, failure_class, upstream_status }: Health): string | undefined {
  if (status !== 'down' || failure_class === null) return undefined;
  const answered = upstream_status === null ? '' : ` (status ${upstream_status})`;
  return `Latest failure: it ${failureClassWords(failure_class).happened}${answered}.`;
}

/** What the cache has done, said as what it means for people: in this outage, else in the last 24 hours. */
export function protectionSentence({ outage, last_24h }: Health): string {
  if (outage !== null) return `${savedAndFailed(outage)} in this outage.`;
  const { shielded_pulls, passed_errors } = last_24h;
  if (shielded_pulls === 0 && passed_errors === 0) return 'No pull has needed protection in the last 24 hours.';
  return `${savedAndFailed(last_24h)} in the last 24 hours.`;
}

/** What there was before this outage in the last 24 hours; `undefined` when there is no outage, or was nothing. */
export function beforeOutageSentence({ outage, last_24h }: Health): string | undefined {
  if (outage === null) return undefined;
  const before = {
    shielded_pulls: Math.max(0, last_24h.shielded_pulls - outage.shielded_pulls),
    passed_errors: Math.max(0, last_24h.passed_errors - outage.passed_errors),
  };
  if (before.shielded_pulls === 0 && before.passed_errors === 0) return undefined;
  return `Before it, in the last 24 hours: ${savedAndFailed(before)}.`;
}

function savedAndFailed({ shielded_pulls, passed_errors }: Omit<EventSums, 'masked_errors'>): string {
  const failed = passed_errors === 0 ? 'none failed' : `${counted(passed_errors, 'errors')} reached a client`;
  return `${counted(shielded_pulls, 'pulls')} saved, ${failed}`;
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
  const { tags, lapsed, oldest_confirmed_at, counted_up_to } = cached;
  if (tags === 0 || oldest_confirmed_at === null) return 'Nothing is cached yet.';
  const more = tags >= counted_up_to ? ' or more' : '';
  const all = `${tags.toLocaleString('en')}${more}`;
  if (lapsed >= tags) {
    return tags === 1
      ? 'The one cached image is not shielded any more.'
      : `None of ${all} images is shielded any more.`;
  }
  if (lapsed > 0) {
    return `${counted(lapsed, 'images')} of ${all} can be served only if the upstream confirms ${lapsed === 1 ? 'it' : 'them'}.`;
  }
  const left = durationWords((Date.parse(oldest_confirmed_at) + stalenessS * 1000 - now) / 1000);
  if (tags === 1) return `The one cached image is shielded; it lapses in ${left}.`;
  const which = more === '' ? `All ${all} images` : `${all} images`;
  return `${which} are shielded; the first lapses in ${left}.`;
}

/** Whether what is cached could be pulled whole without the upstream. */
export function completenessSentence({ cached, missing }: Health): string | undefined {
  const { contents, bytes, counted_up_to, too_large, given_up } = missing;
  if (cached.tags === 0) return undefined;
  if (contents === 0) return 'What was pulled is stored whole.';
  const many = `${contents.toLocaleString('en')}${contents >= counted_up_to ? ' or more' : ''}`;
  const [pieces, are] = contents === 1 ? ['piece', 'is'] : ['pieces', 'are'];
  const left =
    too_large + given_up === 0 ? '' : `; ${(too_large + given_up).toLocaleString('en')} only when a client asks`;
  return `${many} ${pieces} (${sizeWords(bytes)}) of cached images ${are} still to be fetched${left}.`;
}
