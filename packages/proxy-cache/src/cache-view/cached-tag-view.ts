import type { Digest, ProxyCacheSettings, RepositoryName, Tag } from '@breakwater/registry-core';
import { ageMs, type CachedTagState, cachedTagState, effectiveCheckIntervalS } from '../decision/freshness.js';

/** A cached tag as it is stored. Times are ms since the epoch. */
export interface ListedTag {
  readonly repository: RepositoryName;
  readonly tag: Tag;
  readonly digest: Digest;
  readonly confirmedAt: number;
  readonly lastUsedAt: number;
  readonly pinned: boolean;
}

/** What is left of each clock of a cached tag. Times are ms since the epoch. */
export interface TagClocks {
  readonly state: CachedTagState;
  readonly ageS: number;
  /** Until when pulls wait for nobody. */
  readonly freshUntil: number;
  /** Until when it is served whatever the upstream does; `undefined` = never without a confirmation. */
  readonly shieldedUntil: number | undefined;
  /** Until when it is kept if it is not pulled any more; `undefined` = for ever. */
  readonly keptUntil: number | undefined;
}

type Periods = Pick<ProxyCacheSettings, 'stalenessPeriodS' | 'checkIntervalS' | 'expirationS'>;

/** Reads the three clocks of a tag. Pure; the rules are those of pulls and of garbage collection. */
export function tagClocks(tag: ListedTag, settings: Periods, now: number): TagClocks {
  const { stalenessPeriodS, expirationS } = settings;
  const staleAt = tag.confirmedAt + stalenessPeriodS * 1000;
  const isKeptForEver = tag.pinned || expirationS === 0;
  return {
    state: cachedTagState(tag, settings, now),
    ageS: Math.floor(ageMs(tag, now) / 1000),
    freshUntil: tag.confirmedAt + effectiveCheckIntervalS(settings) * 1000,
    shieldedUntil: stalenessPeriodS === 0 ? undefined : staleAt,
    // Nothing goes before its age exceeds the staleness period (I5).
    keptUntil: isKeptForEver ? undefined : Math.max(staleAt, tag.lastUsedAt + expirationS * 1000),
  };
}
