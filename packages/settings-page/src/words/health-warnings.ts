import type { Counts, EventKind, Health, SettingsView } from '../api/shapes.js';
import { sizeWords } from './byte-size.js';
import { counted } from './duration.js';
import { agoWords } from './tag-sentences.js';

/** Something that an administrator has to know of, beside whether the upstream is up. */
export interface HealthWarning {
  readonly id: string;
  readonly variant: 'danger' | 'warning' | 'info';
  readonly title: string;
  /** Since when or how often, and what to do. */
  readonly advice: string;
}

type Facts = Pick<SettingsView, 'has_credentials' | 'serve_when_denied'>;

/** What the health of a cache warns of, the worst first. `now` in milliseconds since the epoch. Pure. */
export function healthWarnings(health: Health, settings: Facts, now: number): readonly HealthWarning[] {
  const found = [
    storageWarning(health, now),
    credentialsWarning(health, settings, now),
    quotaWarning(health, now),
    integrityWarning(health, now),
    rateLimitWarning(health),
    prefetchWarning(health, now),
    holdNote(health),
  ].filter((each) => each !== undefined);
  const order = ['danger', 'warning', 'info'];
  return found.sort((one, other) => order.indexOf(one.variant) - order.indexOf(other.variant));
}

function storageWarning({ storage, last_24h }: Health, now: number): HealthWarning | undefined {
  if (storage.last_failure_at === null) return undefined;
  const { quota = 0, ...own } = last_24h.counts.not_stored ?? {};
  const often = sumOf({ not_stored: own }, 'not_stored');
  const last = `${counted(often, 'times')} in the last 24 hours, last ${agoWords(storage.last_failure_at, now)}.`;
  return storage.status === 'failing'
    ? {
        id: 'storage-failing',
        variant: 'danger',
        title: 'What is pulled cannot be stored',
        advice: `${last} Pulls get through, but nothing new is shielded. The operator of this registry has to look at its disk and database.`,
      }
    : {
        id: 'storage-failed',
        variant: 'warning',
        title: 'Some of what was pulled could not be stored',
        advice: `${last} It is stored when it is pulled again.`,
      };
}

function credentialsWarning({ upstream, last_24h }: Health, settings: Facts, now: number): HealthWarning | undefined {
  const often = sumOf(last_24h.counts, 'credentials_rejected');
  if (often === 0 || !settings.has_credentials) return undefined;
  const served = settings.serve_when_denied
    ? 'What is cached is served within its staleness period; anything else fails with 403.'
    : 'Pulls that ask the upstream fail with 403.';
  return {
    id: 'credentials-rejected',
    variant: 'danger',
    title: `${upstream} has refused the stored credentials`,
    advice:
      `${counted(often, 'times')} in the last 24 hours, last ${ago(last_24h.latest, 'credentials_rejected', now)}. ${served} ` +
      'Test the connection with an image that is pulled here; if it is refused, give new credentials.',
  };
}

function quotaWarning({ quota, last_24h }: Health, now: number): HealthWarning | undefined {
  const { status, used_bytes, limit_bytes, last_not_stored_at } = quota;
  if (status === 'full') {
    const used =
      used_bytes === null || limit_bytes === null
        ? ''
        : `${sizeWords(used_bytes)} of ${sizeWords(limit_bytes)} are used. `;
    return {
      id: 'quota-full',
      variant: 'danger',
      title: 'The quota is full: what is pulled is not kept',
      advice: `${used}Pulls get through, but nothing new is shielded. Raise the quota, purge images, or unpin some.`,
    };
  }
  if (last_not_stored_at === null) return undefined;
  return {
    id: 'quota-was-full',
    variant: 'info',
    title: 'The quota was full',
    advice:
      `${counted(last_24h.counts.not_stored?.['quota'] ?? 0, 'times')} in the last 24 hours something was not kept because ` +
      `of it, last ${agoWords(last_not_stored_at, now)}. It is kept when it is pulled again.`,
  };
}

function integrityWarning({ upstream, last_24h }: Health, now: number): HealthWarning | undefined {
  const often = sumOf(last_24h.counts, 'integrity_failure');
  if (often === 0) return undefined;
  return {
    id: 'integrity-failure',
    variant: 'danger',
    title: `${upstream} has delivered bytes that are not what was asked for`,
    advice:
      `${counted(often, 'times')} in the last 24 hours, last ${ago(last_24h.latest, 'integrity_failure', now)}. Nothing of it ` +
      'was stored. Something on the way changes or cuts answers, a proxy say, or the upstream is damaged.',
  };
}

function rateLimitWarning({ rate_limit }: Health): HealthWarning | undefined {
  const { low, remaining, limit } = rate_limit;
  if (!low) return undefined;
  const left =
    remaining === null || limit === null
      ? ''
      : `${counted(remaining, 'pulls')} left of ${limit.toLocaleString('en')}. `;
  return {
    id: 'rate-limit-low',
    variant: 'warning',
    title: 'The rate limit is nearly spent',
    advice: `${left}What can wait is not asked: checks ahead, and fetching in the background. Give credentials with a higher limit, or check less often.`,
  };
}

function prefetchWarning({ last_24h, missing }: Health, now: number): HealthWarning | undefined {
  const often = sumOf(last_24h.counts, 'prefetch_failed');
  if (often === 0 || missing.given_up === 0) return undefined;
  return {
    id: 'prefetch-failed',
    variant: 'warning',
    title: 'Some cached images are incomplete',
    advice:
      `${counted(missing.given_up, 'pieces')} could not be fetched in the background, last ` +
      `${ago(last_24h.latest, 'prefetch_failed', now)}. They come when a client asks; until then such images cannot be pulled whole ` +
      'in an outage. Cached images marks them.',
  };
}

/** While the upstream is down it is said there. */
function holdNote({ hold, status, upstream }: Health): HealthWarning | undefined {
  if (!hold.held || status === 'down') return undefined;
  return {
    id: 'hold',
    variant: 'info',
    title: 'Expiration waits',
    advice: `Garbage collection takes nothing that came from ${upstream}: when it looked last, ${upstream} was out of reach.`,
  };
}

function sumOf(counts: Counts, kind: EventKind): number {
  return Object.values(counts[kind] ?? {}).reduce((sum, count) => sum + count, 0);
}

function ago(latest: Health['last_24h']['latest'], kind: EventKind, now: number): string {
  const at = latest[kind];
  return at === undefined ? 'within that time' : agoWords(at, now);
}
