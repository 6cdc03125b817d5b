import type { FailureClass, OrganizationName } from '@breakwater/registry-core';
import type { ProxyCacheEventName } from '../events.js';

/** The events that the timeline counts, and the kinds it counts them as. */
export const TIMELINE_KINDS = {
  'shielded-pull': 'shielded_pull',
  'masked-error': 'masked_error',
  'passed-error': 'passed_error',
  'credentials-rejected': 'credentials_rejected',
  'rate-limit-low': 'rate_limit_low',
  'prefetch-failed': 'prefetch_failed',
  'integrity-failure': 'integrity_failure',
  'not-stored': 'not_stored',
  'upstream-down': 'upstream_down',
  'upstream-recovered': 'upstream_recovered',
} as const satisfies Partial<Record<ProxyCacheEventName, string>>;

/** An event that the timeline counts. */
export type TimelineEvent = keyof typeof TIMELINE_KINDS;
export type TimelineKind = (typeof TIMELINE_KINDS)[TimelineEvent];

/** What the timeline tells events of a kind apart by. */
export type TimelineClass = FailureClass | 'quota';

/** How often something happened in one minute. */
export interface MinuteCount {
  readonly organization: OrganizationName;
  /** Begin of the minute, ms since the epoch. */
  readonly minute: number;
  readonly kind: TimelineKind;
  readonly failureClass: TimelineClass;
  readonly count: number;
}

export const MINUTE_MS = 60_000;

/** The begin of the minute that a time is in. Both in ms since the epoch. */
export function minuteOf(time: number): number {
  return Math.floor(time / MINUTE_MS) * MINUTE_MS;
}

/** What an event is counted as; `undefined` for one that the timeline leaves out. */
export function timelineKind(name: ProxyCacheEventName): TimelineKind | undefined {
  return (TIMELINE_KINDS as Partial<Record<ProxyCacheEventName, TimelineKind>>)[name];
}
