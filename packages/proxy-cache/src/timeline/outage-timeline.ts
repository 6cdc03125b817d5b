import type { Clock, Logger, OrganizationName } from '@breakwater/registry-core';
import type { OutageMinuteTable } from '../postgres/outage-minute-table.js';
import { type BucketPage, type Counts, countsOf, MAX_ROWS, pageOf } from './bucket-page.js';
import type { OutageCounts } from './outage-counts.js';
import { type BucketLength, KEPT_MS, type TimeWindow, windowUntil } from './time-window.js';
import { MINUTE_MS, minuteOf, type TimelineClass, type TimelineKind } from './timeline-kinds.js';

/** Rows of one statement that prunes, and statements of one run. */
const PRUNE_BATCH = 5_000;
const MAX_PRUNE_BATCHES = 20;

/** What happened to the pulls of organizations, by minute, for a month. */
export class OutageTimeline {
  constructor(
    private readonly table: OutageMinuteTable,
    private readonly counts: Pick<OutageCounts, 'flush'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** @throws RegistryError UNAVAILABLE when the database cannot be asked */
  async page(organization: OrganizationName, window: TimeWindow, by: BucketLength): Promise<BucketPage> {
    await this.#writeOwn();
    return pageOf(await this.table.buckets(organization, window, by, MAX_ROWS));
  }

  /** @throws RegistryError UNAVAILABLE when the database cannot be asked */
  async lastDay(organization: OrganizationName): Promise<Counts> {
    await this.#writeOwn();
    return countsOf(await this.table.sums(organization, windowUntil(this.clock.now(), '24h', 'minute')));
  }

  /** What happened since a time in ms since the epoch, its whole minute included. */
  async since(organization: OrganizationName, time: number): Promise<Counts> {
    await this.#writeOwn();
    const to = minuteOf(this.clock.now()) + MINUTE_MS;
    return countsOf(await this.table.sums(organization, { from: minuteOf(time), to }));
  }

  /** When each kind happened last within 24 hours: the begin of that minute, in ms since the epoch. */
  async latestOfEach(organization: OrganizationName): Promise<Readonly<Partial<Record<TimelineKind, number>>>> {
    await this.#writeOwn();
    return this.table.latestOfEach(organization, windowUntil(this.clock.now(), '24h', 'minute').from);
  }

  /** The last minute in which something happened within 24 hours, by its begin in ms since the epoch. */
  async latest(
    organization: OrganizationName,
    kind: TimelineKind,
    classes: readonly TimelineClass[],
  ): Promise<number | undefined> {
    await this.#writeOwn();
    return this.table.latest(organization, kind, classes, windowUntil(this.clock.now(), '24h', 'minute').from);
  }

  /** Removes what is older than is kept, so much in one run that a long backlog does not hold up a shutdown. */
  async prune(): Promise<void> {
    const before = this.clock.now() - KEPT_MS;
    for (let batch = 0; batch < MAX_PRUNE_BATCHES; batch += 1) {
      if ((await this.table.prune(before, PRUNE_BATCH)) < PRUNE_BATCH) return;
    }
  }

  /** Whoever looks here for what this process has just answered finds it. */
  async #writeOwn(): Promise<void> {
    try {
      await this.counts.flush();
    } catch (error) {
      this.logger.warn({ err: error }, 'the latest events could not be written before the timeline was read');
    }
  }
}
